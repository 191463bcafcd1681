-- How often each status was answered, from a web server's access log.
-- firesteel run examples/status_codes.sql --set FILE=apache_access.log
CREATE TABLE log USING text OPTIONS (path '${FILE}');

CREATE TEMPORARY VIEW requests AS
SELECT CAST(regexp_extract(value, '" (\\d{3}) ', 1) AS INT) AS status FROM log;

SELECT status, count(*) AS n FROM requests GROUP BY status ORDER BY n DESC;
