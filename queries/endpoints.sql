-- endpoints: how fast each endpoint answers, and how often it fails
-- group: performance
-- params: apdex double = 0.5
-- columns: endpoint text, requests bigint, p50 double, p95 double, p99 double, max double, error_rate double, apdex double
-- key: endpoint
-- top: 0
-- chart: bar endpoint p95
-- endpoint: the Flask endpoint; (none) for what none answered: pages not found, and redirects to the same path with a slash
-- requests: request lines, those of scripts too
-- p50: seconds that an answer took, median (linear interpolation, as the other percentiles)
-- p95: seconds, 95th percentile
-- p99: seconds, 99th percentile
-- max: seconds, the slowest answer
-- error_rate: requests on which the server failed (status 500 and above) / requests
-- apdex: from 0 to 1, how satisfied: (answers within T + half of those within 4 T) / requests whose time is known or on which the server failed, which satisfy nobody
-- apdex: T of Apdex, in seconds: an answer within T satisfies, within 4 T is tolerated, else frustrates
WITH answered AS (
  SELECT
    COALESCE(endpoint, '(none)') AS name,
    process_time,
    CASE WHEN response_status >= 500 THEN 1 ELSE 0 END AS failed
  FROM events
  WHERE kind = 'request'
),
counted AS (
  SELECT
    name,
    COUNT(*) AS requests,
    MEDIAN(process_time) AS p50,
    quantile_cont(process_time, 0.95) AS p95,
    quantile_cont(process_time, 0.99) AS p99,
    MAX(process_time) AS slowest,
    SUM(CAST(failed AS BIGINT)) AS failures,
    COUNT(CASE WHEN failed = 1 THEN 0 ELSE process_time END) AS judged,
    COUNT(CASE WHEN failed = 0 AND process_time <= /*:apdex*/ 0.5 THEN 1 END) AS satisfied,
    COUNT(CASE WHEN failed = 0 AND process_time <= 4 * /*:apdex*/ 0.5 THEN 1 END) AS bearable
  FROM answered
  GROUP BY name
)
SELECT
  name AS endpoint,
  requests,
  p50,
  p95,
  p99,
  slowest AS max,
  CAST(failures AS DOUBLE) / CAST(requests AS DOUBLE) AS error_rate,
  CASE WHEN judged > 0 THEN CAST(satisfied + bearable AS DOUBLE) / CAST(2 * judged AS DOUBLE) END AS apdex
FROM counted
ORDER BY p95 DESC NULLS LAST, requests DESC, endpoint
