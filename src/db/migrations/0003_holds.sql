-- Why a batch is held, with the numbers of the last look; a lifted one stays as a record.
create table hold (
    batch_seq   {int} not null references batch(seq),
    kind        {text} not null,              -- draft, rapid_push, threshold, rate_limit
    numbers     {text} not null default '{}',
    since_ms    {int} not null,
    until_ms    {int} not null default 0,     -- rate_limit: when the forge said that it is over
    lifted_ms   {int},
    lifted_by   {text},                       -- login, token name, or 'signalbox' when it ended by itself
    lifted_from {text},                       -- checkbox, comment, api, signalbox
    primary key (batch_seq, kind)
) {strict};
create index hold_standing on hold (kind, batch_seq) where lifted_ms is null;

-- The rapid-push breaker of a pull request: tripped and not resumed; pushes before a resume count no more.
alter table change add column paused_ms {int} not null default 0;
alter table change add column resumed_ms {int} not null default 0;
-- One line for the person who ordered something last: JSON {"who","what","why","ok","atMs"}.
alter table change add column notice {text} not null default '';

-- A person agreed that a batch larger than any safe budget goes in dependency levels.
alter table batch add column by_parts {int} not null default 0;

-- What a batch may still spend of its installation's quota, and what it waits for.
create table claim (
    batch_seq       {int} primary key references batch(seq),
    installation_id {int} not null,
    calls           {int} not null,           -- granted in all
    left_over       {int} not null,           -- of it, not yet answered by the forge
    granted_ms      {int} not null,
    wanted          {int} not null default 0, -- calls it waits for; 0: for none
    wanted_ms       {int} not null default 0  -- since when
) {strict};
create index claim_of on claim (installation_id) where left_over > 0;
create index claim_waits on claim (installation_id) where wanted > 0;
-- 0: the forge's last word made no sense; the numbers are those of the one before
alter table quota add column known {int} not null default 0;

-- Who spent what of an installation's quota, by the hour.
create table spend (
    installation_id {int} not null,
    hour_ms         {int} not null,
    purpose         {text} not null,          -- dispatch, comment, check, review, poll, read, permission, quota
    calls           {int} not null,
    refused         {int} not null default 0, -- of them, answered with a limit
    primary key (installation_id, hour_ms, purpose)
) {strict};

-- Settings kept in a file of the repository: what it says, and what is wrong with it.
alter table repository add column file_settings {text} not null default '{}';
alter table repository add column file_note {text} not null default '';

-- Who ordered something about a batch: few rows of the audit log, found without reading all of it.
create index audit_batch on audit (target) where target_type = 'batch';
