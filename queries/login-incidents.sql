-- login-incidents: attacks on log-ins: guessing, spraying, break-ins
-- group: security
-- params: brute_force_failures bigint = 5, brute_force_window duration = 10m, ip_burst_failures bigint = 5, ip_burst_window duration = 10m, spray_accounts bigint = 10, spray_window duration = 10m, distributed_ips bigint = 5, distributed_window duration = 1h, success_failures bigint = 5, success_window duration = 10m
-- columns: kind text, key_type text, key text, first timestamp, last timestamp, attempts bigint, peak bigint, accounts bigint, ips bigint, success boolean
-- key: kind key_type key first
-- top: 0
-- chart: bar kind key attempts
-- brute_force_failures: brute_force: how many failures of an account make an incident
-- brute_force_window: brute_force: the time within which they must happen
-- ip_burst_failures: ip_burst: how many failures from an address make an incident
-- ip_burst_window: ip_burst: the time within which they must happen
-- spray_accounts: spray: how many accounts that fail from an address make an incident
-- spray_window: spray: the time within which they must fail
-- distributed_ips: distributed: how many addresses from which an account fails make an incident
-- distributed_window: distributed: the time within which they must fail
-- success_failures: success_after_failures: how many failures before a log-in make an incident
-- success_window: success_after_failures: the time before the log-in within which they must happen
-- kind: brute_force (an account fails often), ip_burst (an address fails often), spray (an address fails with many accounts), distributed (an account fails from many addresses), success_after_failures (an account or address fails often, then logs in)
-- key_type: what key is: an account, as typed, or an ip, of IPv6 the /64
-- first: the first failure, with --since perhaps up to a day before that
-- last: the last failure, or of success_after_failures the last such log-in; with --since it is not before that; incidents whose windows overlap are one
-- attempts: failures from first to last; for spray those that name an account, for distributed those from a known address
-- peak: the most failures, accounts (spray) or addresses (distributed) in one window
-- accounts: distinct accounts among the failures
-- ips: distinct addresses among them, of IPv6 /64
-- success: true if the account, or somebody from the address, logged in after as many failures as make an incident: during it, or within a window afterwards
WITH tries AS (
  SELECT
    epoch_us AS try_us,
    event_type = 'login_failed' AS failed,
    COALESCE(username_attempt, username) AS account,
    ip_network AS ip
  FROM events
  WHERE event_type IN ('login_failed', 'login', 'login_success') AND epoch_us IS NOT NULL
),
spaced AS (
  SELECT
    try_us,
    failed,
    account,
    ip,
    try_us - LAG(try_us) OVER (PARTITION BY failed, account, ip ORDER BY try_us) AS since_us,
    LAG(try_us) OVER (PARTITION BY failed, account, ip ORDER BY try_us DESC) - try_us AS until_us
  FROM tries
),
rules AS (
  SELECT 'brute_force' AS kind, 'account' AS key_type, 'failures' AS counts, CAST(/*:brute_force_failures*/ 5 AS BIGINT) AS enough, CAST(/*:brute_force_window*/ 600000000 AS BIGINT) AS window_us
  UNION ALL SELECT 'ip_burst' AS kind, 'ip' AS key_type, 'failures' AS counts, CAST(/*:ip_burst_failures*/ 5 AS BIGINT) AS enough, CAST(/*:ip_burst_window*/ 600000000 AS BIGINT) AS window_us
  UNION ALL SELECT 'spray' AS kind, 'ip' AS key_type, 'names' AS counts, CAST(/*:spray_accounts*/ 10 AS BIGINT) AS enough, CAST(/*:spray_window*/ 600000000 AS BIGINT) AS window_us
  UNION ALL SELECT 'distributed' AS kind, 'account' AS key_type, 'names' AS counts, CAST(/*:distributed_ips*/ 5 AS BIGINT) AS enough, CAST(/*:distributed_window*/ 3600000000 AS BIGINT) AS window_us
  UNION ALL SELECT 'success_after_failures' AS kind, 'account' AS key_type, 'failures' AS counts, CAST(/*:success_failures*/ 5 AS BIGINT) AS enough, CAST(/*:success_window*/ 600000000 AS BIGINT) AS window_us
  UNION ALL SELECT 'success_after_failures' AS kind, 'ip' AS key_type, 'failures' AS counts, CAST(/*:success_failures*/ 5 AS BIGINT) AS enough, CAST(/*:success_window*/ 600000000 AS BIGINT) AS window_us
),
ruled AS (
  SELECT
    kind,
    key_type,
    CASE WHEN key_type = 'account' THEN account ELSE ip END AS name,
    enough,
    window_us,
    try_us,
    failed,
    account,
    ip,
    failed <> (kind = 'success_after_failures') AS may_hit,
    CASE WHEN failed AND (counts = 'failures' OR since_us IS NULL OR since_us >= window_us) THEN 1 ELSE 0 END AS enters,
    CASE WHEN failed AND (counts = 'failures' OR until_us IS NULL OR until_us >= window_us) THEN 1 ELSE 0 END AS leaves
  FROM spaced CROSS JOIN rules
  WHERE NOT failed OR counts = 'failures' OR (account IS NOT NULL AND ip IS NOT NULL)
),
turns AS (
  SELECT
    kind,
    key_type,
    name,
    enough,
    window_us,
    CASE WHEN entering THEN try_us ELSE try_us + window_us END AS turn_us,
    CASE WHEN NOT entering THEN 0 WHEN failed THEN 1 ELSE 2 END AS turn,
    CASE WHEN entering THEN enters ELSE -leaves END AS change,
    failed,
    may_hit,
    account,
    ip
  FROM ruled CROSS JOIN (VALUES (TRUE), (FALSE)) AS list(entering)
  WHERE name IS NOT NULL AND (entering OR leaves = 1)
),
counted AS (
  SELECT
    kind,
    key_type,
    name,
    enough,
    window_us,
    turn_us,
    turn,
    failed,
    may_hit,
    account,
    ip,
    SUM(CAST(change AS BIGINT)) OVER (
      PARTITION BY kind, key_type, name ORDER BY turn_us, turn ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS inside
  FROM turns
),
hits AS (
  SELECT
    kind,
    key_type,
    name,
    window_us,
    turn_us,
    turn,
    failed,
    account,
    ip,
    inside,
    CASE WHEN may_hit AND inside >= enough THEN turn_us END AS hit_us
  FROM counted
  WHERE turn > 0
),
near AS (
  SELECT
    kind,
    key_type,
    name,
    window_us,
    turn_us,
    failed,
    account,
    ip,
    inside,
    hit_us,
    MAX(hit_us) OVER (
      PARTITION BY kind, key_type, name ORDER BY turn_us, turn, inside ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS last_hit_us,
    MIN(hit_us) OVER (
      PARTITION BY kind, key_type, name ORDER BY turn_us DESC, turn DESC, inside DESC
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS next_hit_us
  FROM hits
),
belonging AS (
  SELECT
    kind,
    key_type,
    name,
    window_us,
    turn_us,
    failed,
    account,
    ip,
    inside,
    hit_us,
    CASE
      WHEN failed AND next_hit_us - turn_us < window_us THEN next_hit_us
      WHEN NOT failed AND turn_us - last_hit_us < window_us THEN last_hit_us
    END AS its_hit_us
  FROM near
),
apart AS (
  SELECT
    kind,
    key_type,
    name,
    turn_us,
    failed,
    account,
    ip,
    inside,
    hit_us,
    its_hit_us,
    CASE
      WHEN its_hit_us - LAG(its_hit_us) OVER (PARTITION BY kind, key_type, name ORDER BY its_hit_us) < window_us THEN 1
      ELSE 0
    END AS goes_on
  FROM belonging
  WHERE its_hit_us IS NOT NULL
),
numbered AS (
  SELECT
    kind,
    key_type,
    name,
    turn_us,
    failed,
    account,
    ip,
    inside,
    hit_us,
    SUM(CAST(1 - goes_on AS BIGINT)) OVER (
      PARTITION BY kind, key_type, name ORDER BY its_hit_us, goes_on
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS number
  FROM apart
)
SELECT
  kind,
  key_type,
  name AS key,
  make_timestamp(MIN(CASE WHEN failed THEN turn_us END)) AS first,
  make_timestamp(MAX(hit_us)) AS last,
  SUM(CAST(failed AS BIGINT)) AS attempts,
  MAX(CASE WHEN hit_us IS NOT NULL THEN inside END) AS peak,
  COUNT(DISTINCT CASE WHEN failed THEN account END) AS accounts,
  COUNT(DISTINCT CASE WHEN failed THEN ip END) AS ips,
  SUM(CAST(NOT failed AS BIGINT)) > 0 AS success
FROM numbered
GROUP BY kind, key_type, name, number
ORDER BY first, kind, key_type, key
