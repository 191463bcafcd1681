CREATE TABLE t (c0 TINYINT, c1 SMALLINT, c2 SMALLINT, c3 DATE, c4 STRING)
USING csv OPTIONS (path '${DATA}/t', maxFilesPerTrigger '1', sep '\t', ignoreLeadingWhiteSpace 'true', nanValue 'abc');

SELECT * FROM t;
