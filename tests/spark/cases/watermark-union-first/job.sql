CREATE TABLE ev (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/ev', maxFilesPerTrigger '1');
CREATE TABLE ev2 (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/ev2', maxFilesPerTrigger '1');

SELECT window.start AS ws, count(*) AS c
FROM (SELECT ts, dev FROM ev WATERMARK ts DELAY OF INTERVAL 5 SECONDS
      UNION ALL SELECT ts, dev FROM ev2)
GROUP BY window(ts, '10 seconds');
