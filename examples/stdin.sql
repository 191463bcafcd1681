-- Ten-second windows over CSV lines on stdin; what is still open closes when the pipe ends.
-- sensors | firesteel run examples/stdin.sql
CREATE TABLE readings (ts TIMESTAMP, sensor STRING, value DOUBLE) USING csv OPTIONS (path '-');

SELECT window.start AS at, sensor, count(*) AS n, avg(value) AS mean
FROM readings WATERMARK ts DELAY OF INTERVAL 5 SECONDS
GROUP BY window(ts, '10 seconds'), sensor;
