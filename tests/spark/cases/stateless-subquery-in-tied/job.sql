CREATE TABLE ev (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/ev', maxFilesPerTrigger '1');
CREATE TABLE dim (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/dim');

-- IN whose list is tied to the query outside
SELECT ts, dev, n, v
FROM ev WATERMARK ts DELAY OF INTERVAL 5 SECONDS
WHERE n IN (SELECT n FROM dim WHERE dim.dev = ev.dev) OR v = 1;
