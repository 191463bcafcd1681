CREATE TABLE ev (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/ev', maxFilesPerTrigger '1');
CREATE TABLE dim (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/dim');

SELECT window.start AS ws, dev, max(v) - (SELECT avg(v) FROM dim) AS above
FROM ev WATERMARK ts DELAY OF INTERVAL 5 SECONDS
GROUP BY window(ts, '30 seconds'), dev
HAVING max(v) > (SELECT min(v) FROM dim);
