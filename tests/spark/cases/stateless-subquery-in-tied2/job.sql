CREATE TABLE ev (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/ev', maxFilesPerTrigger '1');
CREATE TABLE dim (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/dim');

SELECT ts, dev, n, v
FROM ev WATERMARK ts DELAY OF INTERVAL 5 SECONDS
WHERE n IN (SELECT n FROM dim WHERE dim.dev = ev.dev) AND n NOT IN (SELECT n - 1 FROM dim d WHERE d.dev = ev.dev AND n > 2);
