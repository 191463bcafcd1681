SET spark.sql.streaming.multipleWatermarkPolicy = max;
CREATE TABLE ev (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/ev', maxFilesPerTrigger '1');
CREATE TABLE ev2 (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/ev2', maxFilesPerTrigger '1');

SELECT l.ts AS lt, l.dev AS ld, l.v AS lv, r.ts AS rt, r.n AS rn
FROM ev WATERMARK ts DELAY OF INTERVAL 5 SECONDS AS l
  RIGHT JOIN ev2 AS r
    ON l.dev = r.dev AND r.ts BETWEEN l.ts - INTERVAL 10 SECONDS AND l.ts + INTERVAL 10 SECONDS
WHERE l.n < 4;
