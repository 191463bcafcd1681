CREATE TABLE ev (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/ev', maxFilesPerTrigger '1');
CREATE TABLE dim (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/dim');

-- EXISTS of any query, and as a value
SELECT ts, dev, dev IN (SELECT dev FROM dim) AS known, NOT EXISTS (SELECT 1 FROM dim d WHERE d.dev = ev.dev AND d.n > 3) AS few,
  CASE WHEN EXISTS (SELECT max(n) FROM dim GROUP BY dev HAVING max(n) > 9) THEN 1 ELSE 0 END AS many
FROM ev
WHERE EXISTS (VALUES (1)) AND EXISTS (SELECT n FROM dim LIMIT 1) AND NOT EXISTS (SELECT dev FROM dim GROUP BY dev HAVING count(*) > 5);
