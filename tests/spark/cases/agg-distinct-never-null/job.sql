CREATE TABLE ev (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/ev');

SELECT dev, count(DISTINCT coalesce(n, 0)) AS a, count(DISTINCT coalesce(n, 0), v) AS b, count(DISTINCT array(n)) AS c,
  count(DISTINCT struct(n, v)) AS d, count(DISTINCT 1) AS e, count(DISTINCT n IS NULL, n > 1) AS f
FROM ev
GROUP BY dev;
