-- One-second summaries of a ring that other processes feed, into a folder of JSON files.
-- firesteel ring create /dev/shm/readings --schema 'ts TIMESTAMP, sensor INT, value DOUBLE'
-- firesteel run examples/per_second.sql --set RING=/dev/shm/readings --set OUT=/tmp/summary
CREATE TABLE readings (ts TIMESTAMP, sensor INT, value DOUBLE)
USING ring OPTIONS (path '${RING}');

CREATE TABLE summary USING json OPTIONS (path '${OUT}');

INSERT INTO summary
SELECT window.start AS at, sensor, count(*) AS n, min(value) AS low, max(value) AS high, avg(value) AS mean
FROM readings WATERMARK ts DELAY OF INTERVAL 2 SECONDS
GROUP BY window(ts, '1 second'), sensor;
