CREATE TABLE ev (id INT, parts ARRAY<STRUCT<p: INT, q: STRING>>)
USING json OPTIONS (path '${DATA}/ev', maxFilesPerTrigger '1');

SELECT id, part.p, w, p2
FROM ev LATERAL VIEW OUTER inline(parts) part AS p, w LATERAL VIEW inline(parts) AS p2, q2
WHERE id > 0;
