-- errors: how many requests failed in a sliding window, by status
-- group: errors
-- params: window duration = 5m, slide duration = 1m
-- at-most: window 10000 slide
-- columns: window_start timestamp, window_end timestamp, status bigint, errors bigint, requests bigint, error_rate double
-- key: window_start status
-- top: 0
-- chart: line window_start errors by status
-- window: The length of a window
-- slide: The time from the start of one window to the start of the next
-- window_start: when the window begins, inclusive; only windows with an error are shown
-- window_end: when it ends, exclusive
-- status: the HTTP status, 400 and above
-- errors: requests in the window answered with this status
-- requests: all requests in the window
-- error_rate: errors / requests
WITH digits AS (
  SELECT CAST(digit AS BIGINT) AS digit
  FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS list(digit)
),
hundred AS (
  SELECT 10 * tens.digit + ones.digit AS number
  FROM digits AS tens CROSS JOIN digits AS ones
),
shifts AS (
  SELECT (100 * high.number + low.number) * /*:slide*/ 60000000 AS shift_us
  FROM hundred AS high CROSS JOIN hundred AS low
  WHERE CAST(100 * high.number AS DOUBLE) < CAST(/*:window*/ 300000000 AS DOUBLE) / CAST(/*:slide*/ 60000000 AS DOUBLE)
    AND CAST(100 * high.number + low.number AS DOUBLE) < CAST(/*:window*/ 300000000 AS DOUBLE) / CAST(/*:slide*/ 60000000 AS DOUBLE)
),
asked AS (
  SELECT
    CASE WHEN response_status >= 400 THEN response_status END AS status,
    epoch_us,
    epoch_us - (epoch_us % /*:slide*/ 60000000 + /*:slide*/ 60000000) % /*:slide*/ 60000000 AS slide_us,
    (CAST(/*:window*/ 300000000 AS BIGINT) % /*:slide*/ 60000000 + /*:slide*/ 60000000) % /*:slide*/ 60000000 AS cut_us
  FROM events
  WHERE kind = 'request' AND epoch_us IS NOT NULL
),
cut AS (
  SELECT status, slide_us + CASE WHEN epoch_us - slide_us < cut_us THEN 0 ELSE cut_us END AS pane_us
  FROM asked
),
panes AS (
  SELECT status, pane_us, CAST(COUNT(*) AS BIGINT) AS requests
  FROM cut
  GROUP BY status, pane_us
),
failed AS (
  SELECT
    status,
    pane_us,
    pane_us - (pane_us % /*:slide*/ 60000000 + /*:slide*/ 60000000) % /*:slide*/ 60000000 AS slide_us,
    requests
  FROM panes
  WHERE status IS NOT NULL
),
covered AS (
  SELECT status, slide_us - shift_us AS start_us, requests
  FROM failed CROSS JOIN shifts
  WHERE pane_us - slide_us + shift_us < /*:window*/ 300000000
),
windows AS (
  SELECT status, start_us, SUM(CAST(requests AS BIGINT)) AS errors
  FROM covered
  GROUP BY status, start_us
),
edges AS (
  SELECT
    2 * (start_us + CASE WHEN at_end THEN /*:window*/ 300000000 ELSE 0 END) AS place,
    CAST(0 AS BIGINT) AS requests,
    status,
    start_us,
    errors
  FROM windows CROSS JOIN (VALUES (FALSE), (TRUE)) AS list(at_end)
  UNION ALL
  SELECT
    2 * pane_us + 1 AS place,
    requests,
    CAST(NULL AS BIGINT) AS status,
    CAST(NULL AS BIGINT) AS start_us,
    CAST(NULL AS BIGINT) AS errors
  FROM panes
),
summed AS (
  SELECT
    status,
    start_us,
    errors,
    SUM(CAST(requests AS BIGINT)) OVER (ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS requests_before
  FROM edges
),
counted AS (
  SELECT status, start_us, MAX(errors) AS errors, MAX(requests_before) - MIN(requests_before) AS requests
  FROM summed
  WHERE start_us IS NOT NULL
  GROUP BY status, start_us
)
SELECT
  make_timestamp(start_us) AS window_start,
  make_timestamp(start_us + /*:window*/ 300000000) AS window_end,
  status,
  errors,
  requests,
  CAST(errors AS DOUBLE) / CAST(requests AS DOUBLE) AS error_rate
FROM counted
ORDER BY window_start, status
