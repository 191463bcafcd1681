CREATE TABLE ev (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/ev', maxFilesPerTrigger '1');
CREATE TABLE ev2 (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/ev2', maxFilesPerTrigger '1');

SELECT window.start AS ws, count(*) AS c, sum(lv) AS s
FROM (SELECT l.ts AS lt, l.v AS lv, r.n AS rn
      FROM ev WATERMARK ts DELAY OF INTERVAL 5 SECONDS AS l
      JOIN ev2 WATERMARK ts DELAY OF INTERVAL 20 SECONDS AS r
        ON l.dev = r.dev AND r.ts >= l.ts AND r.ts <= l.ts + INTERVAL 20 SECONDS)
GROUP BY window(lt, '20 seconds');
