CREATE TABLE ev (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/ev');

-- sums of intervals keep their units, modes with an order are named after it
SELECT typeof(sum(INTERVAL '2' MINUTE * n)) AS a, typeof(avg(INTERVAL '2' MINUTE)) AS b, typeof(sum(INTERVAL '5' MONTH)) AS c,
  mode() WITHIN GROUP (ORDER BY dev), mode() WITHIN GROUP (ORDER BY dev DESC), first_value(n) IGNORE NULLS,
  percentile_approx(CAST(v AS DECIMAL(38, 37)) / 30, 0.5) AS d, CAST(sum(INTERVAL '2' MINUTE) AS STRING) AS e
FROM ev
WHERE dev IN ('a', 'b');
