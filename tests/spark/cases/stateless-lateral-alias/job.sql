CREATE TABLE ev (ts TIMESTAMP, dev STRING, v DOUBLE)
USING json OPTIONS (path '${DATA}/ev', maxFilesPerTrigger '1');

SELECT v * 9 / 5 + 32 AS fahrenheit, fahrenheit - 32 AS above, above > 20 AS warm, named_struct('f', fahrenheit) AS s,
       s.f + above AS total, upper(dev) AS dev, dev AS lower_dev, ts AS at, at + INTERVAL 1 HOUR AS later, -above
FROM ev
WHERE v IS NOT NULL;
