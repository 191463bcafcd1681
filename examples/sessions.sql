-- Sessions of a sensor: stretches of readings with no gap of 90 minutes or more.
-- firesteel run examples/sessions.sql --set FILE=ambient_temperature.csv
CREATE TABLE readings (timestamp TIMESTAMP, value DOUBLE)
USING csv OPTIONS (path '${FILE}', header 'true');

SELECT 'ambient' AS sensor, session_window.start AS first, session_window.end AS gone, count(*) AS n,
       round(avg(value), 2) AS mean
FROM readings WATERMARK timestamp DELAY OF INTERVAL 1 HOUR
GROUP BY session_window(timestamp, '90 minutes'), 'ambient';
