CREATE TABLE ev (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/ev', maxFilesPerTrigger '1');

-- a limit below the aggregation counts over all batches, in complete mode too
SELECT window.start AS ws, count(*) AS c
FROM (SELECT ts FROM ev WATERMARK ts DELAY OF INTERVAL 10 SECONDS LIMIT 4)
GROUP BY window(ts, '20 seconds');
