CREATE TABLE ev (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/ev', maxFilesPerTrigger '1');
CREATE TABLE dim (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/dim');

-- IN and EXISTS beside other conditions
SELECT window.start AS ws, count(*) AS c, sum(v) AS s
FROM ev WATERMARK ts DELAY OF INTERVAL 5 SECONDS
WHERE dev IN (SELECT dev FROM dim WHERE n = 1) OR v > 2.5 OR EXISTS (SELECT 1 FROM dim d WHERE d.dev = ev.dev AND d.n = ev.n)
GROUP BY window(ts, '10 seconds');
