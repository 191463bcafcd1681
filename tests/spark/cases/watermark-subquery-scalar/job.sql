CREATE TABLE ev (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/ev', maxFilesPerTrigger '1');
CREATE TABLE dim (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/dim');

SELECT window.start AS ws, count(*) AS c 
    FROM (SELECT ts, dev, v FROM ev WATERMARK ts DELAY OF INTERVAL 5 SECONDS WHERE n = (SELECT max(n) FROM dim) - 1 OR v > 5)
GROUP BY window(ts, '10 seconds');
