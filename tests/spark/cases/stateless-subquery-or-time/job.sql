CREATE TABLE ev (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/ev', maxFilesPerTrigger '1');
CREATE TABLE dim (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/dim');

-- a condition that reads the event time stays above the watermark
SELECT window.start AS ws, count(*) AS c, sum(v) AS s
FROM ev WATERMARK ts DELAY OF INTERVAL 5 SECONDS
WHERE dev IN (SELECT dev FROM dim) OR ts > TIMESTAMP'2025-01-01 00:03:00'
GROUP BY window(ts, '10 seconds');
