-- logins: log-ins tried, done and failed, by time and address
-- group: security
-- params: every duration = 1m
-- columns: start timestamp, ip_address text, tries bigint, successes bigint, failures bigint
-- key: start ip_address
-- top: 0
-- chart: line start failures by ip_address
-- headlines: Failed log-ins = failures
-- every: The length of an interval; weeks begin on Monday
-- start: when the interval begins; only intervals with log-ins are shown
-- tries: log-in forms sent (login_attempt)
-- successes: log-ins done (login, login_success)
-- failures: log-ins refused (login_failed)
WITH tried AS (
  SELECT
    epoch_us - ((epoch_us - 345600000000) % /*:every*/ 60000000 + /*:every*/ 60000000) % /*:every*/ 60000000 AS start_us,
    ip_address,
    event_type
  FROM events
  WHERE event_type IN ('login_attempt', 'login', 'login_success', 'login_failed')
)
SELECT
  make_timestamp(start_us) AS start,
  ip_address,
  COUNT(CASE WHEN event_type = 'login_attempt' THEN 1 END) AS tries,
  COUNT(CASE WHEN event_type IN ('login', 'login_success') THEN 1 END) AS successes,
  COUNT(CASE WHEN event_type = 'login_failed' THEN 1 END) AS failures
FROM tried
GROUP BY start_us, ip_address
ORDER BY start NULLS LAST, failures DESC, tries DESC, successes DESC, ip_address NULLS LAST
