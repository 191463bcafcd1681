CREATE TABLE ev (ts TIMESTAMP, dev STRING, v DOUBLE)
USING json OPTIONS (path '${DATA}/ev', maxFilesPerTrigger '1');

SELECT window.start AS ws, ws + INTERVAL 1 MINUTE AS we, dev AS device, count(*) AS n, sum(v) AS total, total / n AS mean,
       concat(device, ':', n) AS label, mean > 3 AS high
FROM ev WATERMARK ts DELAY OF INTERVAL 10 SECONDS
GROUP BY window(ts, '1 minute'), dev
HAVING NOT high OR n > 1;
