CREATE TABLE ev (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/ev', maxFilesPerTrigger '1');
CREATE TABLE dim (ts TIMESTAMP, dev STRING, v DOUBLE, n INT)
USING json OPTIONS (path '${DATA}/dim');

SELECT ts, dev, v, (SELECT count(*) FROM dim d WHERE d.dev = ev.dev) AS known, (SELECT max(d.v) FROM dim d WHERE d.dev = ev.dev) - v AS room,
       (SELECT v FROM dim ORDER BY v DESC LIMIT 1) AS top
FROM ev
WHERE v > (SELECT min(v) / 2 FROM dim d WHERE ev.dev = d.dev AND d.n > 0) OR n = 3;
