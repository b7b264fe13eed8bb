-- The unit table in plain SQL: one text for DuckDB and Spark, written and reviewed by hand, never generated.
-- Input `log`: distinct_id, event, t (microseconds), insert_id, experiment, variant, qa, amount (DECIMAL), kind, platform.
-- NULL rules: coalesce before least and before sums; percentiles skip NULL; a missing amount is no value, not zero.
with
days as (select cast(86400000000 as bigint) as d),
once as (  -- repeats of an event: same name, unit, time and insert id
  select * from (
    select l.*, row_number() over (partition by distinct_id, event, t, insert_id order by arr desc) as rn from log l
  ) r where rn = 1
),
shown as (
  select distinct_id, t, insert_id, variant, platform,
         row_number() over (partition by distinct_id order by t, insert_id, variant) as rn
  from once
  where event = '$experiment_started' and experiment = 't' and variant in ('a', 'b') and coalesce(qa, 'false') <> 'true'
),
fx as (
  select distinct_id, max(case when rn = 1 then variant end) as variant, min(t) as t0,
         max(case when rn = 1 then platform end) as platform
  from shown group by distinct_id having count(distinct variant) = 1
),
ends as (select max(t) as until from log),
j as (
  select fx.distinct_id, fx.t0, e.event, e.t, e.insert_id, e.amount, e.kind, days.d
  from fx join once e on e.distinct_id = fx.distinct_id cross join days
  where e.t >= fx.t0 - 14 * days.d and e.t < fx.t0 + 90 * days.d
),
counted as (
  select distinct_id,
    max(case when event = 'buy' and t >= t0 and t < t0 + 3 * d then 1 else 0 end) as conv,
    sum(case when event = 'buy' and t >= t0 and t < t0 + 3 * d then 1 else 0 end) as buys,
    sum(case when event = 'buy' and t >= t0 + cast(1.5 * d as bigint) and t < t0 + 5 * d then 1 else 0 end) as late,
    sum(case when event = 'view' and t >= t0 then 1 else 0 end) as open,
    sum(case when event = 'buy' and t >= t0 and t < t0 + 4 * d then coalesce(amount, 0) else 0 end) as money,
    sum(case when event = 'buy' and t >= t0 and t < t0 + 4 * d then 1 else 0 end) as money_events,
    sum(case when event = 'buy' and t >= t0 and t < t0 + 4 * d and amount is not null then 1 else 0 end) as money_values,
    max(case when event = 'view' and t >= t0 + 1 * d and t < t0 + 3 * d then 1 else 0 end) as ret,
    sum(case when event = 'buy' and t >= t0 and t < t0 + 3 * d and amount >= 5 and coalesce(kind, '') <> 'x' then 1 else 0 end) as big,
    sum(case when event = 'buy' and t < t0 then 1 else 0 end) as buys_before,
    sum(case when event = 'buy' and t < t0 then coalesce(amount, 0) else 0 end) as money_before,
    max(case when t < t0 then 1 else 0 end) as seen
  from j group by distinct_id
),
gaps as (
  select distinct_id, t, lag(t) over (partition by distinct_id order by t) as previous from j where t >= t0 and t < t0 + 4 * d
),
sessions as (
  select distinct_id, sum(case when previous is null or t - previous > 1800000000 then 1 else 0 end) as visits
  from gaps group by distinct_id
),
funnels as (  -- three events in order, the last within two days of the first, all within six days
  select distinct a.distinct_id, 1 as fun
  from j a join j b on b.distinct_id = a.distinct_id and b.t >= a.t
           join j c on c.distinct_id = a.distinct_id and c.t >= b.t and c.t - a.t <= 2 * a.d
  where a.event = 'view' and b.event = 'add' and c.event = 'buy'
    and a.t >= a.t0 and c.t < a.t0 + 6 * a.d
)
select fx.distinct_id, fx.variant, coalesce(fx.platform, '(missing)') as platform,
  case when fx.t0 + 3 * days.d <= ends.until then coalesce(conv, 0) end as conv,
  case when fx.t0 + 3 * days.d <= ends.until then coalesce(buys, 0) end as buys,
  case when fx.t0 + 5 * days.d <= ends.until then coalesce(late, 0) end as late,
  coalesce(open, 0) as open,
  case when fx.t0 + 4 * days.d <= ends.until and not (coalesce(money_events, 0) > 0 and money_values = 0)
       then cast(coalesce(money, 0) * 10000 as bigint) end as money,
  case when fx.t0 + 4 * days.d <= ends.until then cast(coalesce(money, 0) * 10000 as bigint) end as avg_sum,
  case when fx.t0 + 4 * days.d <= ends.until then coalesce(money_values, 0) end as avg_n,
  case when fx.t0 + 4 * days.d <= ends.until then coalesce(visits, 0) end as visits,
  case when fx.t0 + 3 * days.d <= ends.until then coalesce(ret, 0) end as ret,
  case when fx.t0 + 6 * days.d <= ends.until then coalesce(fun, 0) end as fun,
  case when fx.t0 + 3 * days.d <= ends.until then coalesce(big, 0) end as big,
  coalesce(buys_before, 0) as buys_before,
  coalesce(seen, 0) as seen
from fx cross join days cross join ends
left join counted on counted.distinct_id = fx.distinct_id
left join sessions on sessions.distinct_id = fx.distinct_id
left join funnels on funnels.distinct_id = fx.distinct_id
order by fx.distinct_id
