-- The busiest hours of a web server, from its access log: requests, bytes and errors.
-- firesteel run examples/hourly_peaks.sql --set FILE=apache_access.log
CREATE TABLE log USING text OPTIONS (path '${FILE}');

CREATE TEMPORARY VIEW requests AS
SELECT to_timestamp(regexp_extract(value, '\\[([^\\]]+)\\]', 1), 'dd/MMM/yyyy:HH:mm:ss Z') AS at,
       CAST(regexp_extract(value, '" (\\d{3}) ', 1) AS INT) AS status,
       try_cast(regexp_extract(value, '" \\d{3} (\\d+)', 1) AS BIGINT) AS bytes
FROM log;

SELECT window.start AS hour, count(*) AS requests, sum(bytes) AS bytes, count_if(status >= 400) AS errors
FROM requests
GROUP BY window(at, '1 hour')
ORDER BY requests DESC
LIMIT 5;
