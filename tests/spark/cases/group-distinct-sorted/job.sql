CREATE TABLE ev (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/ev', maxFilesPerTrigger '1');

-- SELECT DISTINCT is no aggregation to sort after
SELECT DISTINCT dev FROM ev WATERMARK ts DELAY OF INTERVAL 10 SECONDS ORDER BY dev;
