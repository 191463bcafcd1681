-- Hourly windows over a machine's temperature readings, with the hours in which it was cold.
-- firesteel run examples/hourly_temperature.sql --set FILE=machine_temperature.csv
CREATE TABLE readings (timestamp TIMESTAMP, value DOUBLE)
USING csv OPTIONS (path '${FILE}', header 'true');

SELECT window.start AS hour, count(*) AS n, round(avg(value), 2) AS mean, min(value) AS low, max(value) AS high
FROM readings WATERMARK timestamp DELAY OF INTERVAL 1 HOUR
GROUP BY window(timestamp, '1 hour')
HAVING avg(value) < 30;
