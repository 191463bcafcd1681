CREATE TABLE ev (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/ev', maxFilesPerTrigger '1');
CREATE TABLE ev2 (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/ev2', maxFilesPerTrigger '1');

-- two streams whose equality stands in WHERE
SELECT l.ts, l.dev, l.v, r.n
FROM ev WATERMARK ts DELAY OF INTERVAL 10 SECONDS AS l, ev2 WATERMARK ts DELAY OF INTERVAL 10 SECONDS AS r
WHERE l.dev = r.dev AND r.ts BETWEEN l.ts - INTERVAL 20 SECONDS AND l.ts + INTERVAL 65 SECONDS AND r.n > 0;
