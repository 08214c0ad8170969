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
    pane_us - (pane_us % /*:slide*/ 60000000 + /*:slide*/ 60000000) % /*:slide*/ 60000000 AS last_us,
    pane_us,
    requests
  FROM panes
  WHERE status IS NOT NULL
),
covering AS (
  SELECT
    status,
    last_us - (/*:window*/ 300000000 - 1 - (pane_us - last_us))
      + ((/*:window*/ 300000000 - 1 - (pane_us - last_us)) % /*:slide*/ 60000000 + /*:slide*/ 60000000)
        % /*:slide*/ 60000000 AS first_us,
    last_us,
    requests
  FROM failed
  WHERE pane_us - last_us < /*:window*/ 300000000
),
changes AS (
  SELECT
    status,
    CASE WHEN at_end THEN last_us + /*:slide*/ 60000000 ELSE first_us END AS start_us,
    CASE WHEN at_end THEN -requests ELSE requests END AS change
  FROM covering CROSS JOIN (VALUES (FALSE), (TRUE)) AS list(at_end)
),
steps AS (
  SELECT status, start_us, SUM(CAST(change AS BIGINT)) AS change
  FROM changes
  GROUP BY status, start_us
),
levels AS (
  SELECT
    status,
    start_us,
    LAG(start_us) OVER (PARTITION BY status ORDER BY start_us DESC) AS until_us,
    SUM(CAST(change AS BIGINT)) OVER (PARTITION BY status ORDER BY start_us ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS errors
  FROM steps
),
thousands AS (
  SELECT status, start_us + 1000 * digit * /*:slide*/ 60000000 AS start_us, until_us, errors
  FROM levels CROSS JOIN digits
  WHERE errors > 0 AND CAST(1000 * digit AS DOUBLE) * CAST(/*:slide*/ 60000000 AS DOUBLE) < CAST(until_us - start_us AS DOUBLE)
),
hundreds AS (
  SELECT status, start_us + 100 * digit * /*:slide*/ 60000000 AS start_us, until_us, errors
  FROM thousands CROSS JOIN digits
  WHERE CAST(100 * digit AS DOUBLE) * CAST(/*:slide*/ 60000000 AS DOUBLE) < CAST(until_us - start_us AS DOUBLE)
),
tens AS (
  SELECT status, start_us + 10 * digit * /*:slide*/ 60000000 AS start_us, until_us, errors
  FROM hundreds CROSS JOIN digits
  WHERE CAST(10 * digit AS DOUBLE) * CAST(/*:slide*/ 60000000 AS DOUBLE) < CAST(until_us - start_us AS DOUBLE)
),
windows AS (
  SELECT status, start_us + digit * /*:slide*/ 60000000 AS start_us, errors
  FROM tens CROSS JOIN digits
  WHERE CAST(digit AS DOUBLE) * CAST(/*:slide*/ 60000000 AS DOUBLE) < CAST(until_us - start_us AS DOUBLE)
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
