-- retention: how many come again in the weeks after their first
-- group: behaviour
-- params: every duration = 1w
-- every: how long a period is: 1w for weeks, from Monday on, or 1d for days
-- columns: cohort timestamp, period bigint, visitors bigint, retention double
-- key: cohort period
-- top: 0
-- chart: heatmap cohort period retention
-- cohort: when the period began in which these visitors came for the first time; who came before --since is in none
-- period: how many periods later; 0 is the first one; a period in which nobody came has no row, and the logs may end within the last one
-- visitors: distinct visitors of the cohort who made a request in that period; of period 0, all
-- retention: visitors / visitors of period 0
WITH timed AS (
  SELECT
    visitor_id,
    epoch_us - ((epoch_us - 345600000000) % /*:every*/ 604800000000 + /*:every*/ 604800000000) % /*:every*/ 604800000000 AS start_us,
    CASE WHEN timestamp = visitor_first_seen THEN 1 ELSE 0 END AS is_first
  FROM events
  WHERE visitor_id IS NOT NULL AND epoch_us IS NOT NULL AND (kind = 'request' OR timestamp = visitor_first_seen)
),
present AS (
  SELECT visitor_id, start_us, MAX(is_first) AS is_first
  FROM timed
  GROUP BY visitor_id, start_us
),
members AS (
  SELECT
    start_us,
    MAX(CASE WHEN is_first = 1 THEN start_us END) OVER (
      PARTITION BY visitor_id ORDER BY start_us ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS cohort_us
  FROM present
),
counted AS (
  SELECT cohort_us, start_us, COUNT(*) AS visitors
  FROM members
  WHERE cohort_us IS NOT NULL
  GROUP BY cohort_us, start_us
),
sized AS (
  SELECT
    cohort_us,
    start_us,
    visitors,
    MAX(CASE WHEN start_us = cohort_us THEN visitors END) OVER (
      PARTITION BY cohort_us ORDER BY start_us ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS first_visitors
  FROM counted
)
SELECT
  make_timestamp(cohort_us) AS cohort,
  CAST(CAST(start_us - cohort_us AS DOUBLE) / CAST(/*:every*/ 604800000000 AS DOUBLE) AS BIGINT) AS period,
  visitors,
  CAST(visitors AS DOUBLE) / CAST(first_visitors AS DOUBLE) AS retention
FROM sized
ORDER BY cohort, period
