-- Values that only the server reads: sealed with its key, never given out again.
create table secret (
    repository_id {int} not null references repository(id),
    name        {text} not null,
    sealed      {blob} not null,
    description {text} not null default '',
    created_ms  {int} not null,
    updated_ms  {int} not null,
    updated_by  {text} not null,
    primary key (repository_id, name)
) {strict};

-- Runners that actions can name. The token is a secret.
create table runner (
    repository_id {int} not null references repository(id),
    name         {text} not null,
    endpoint     {text} not null,
    token_secret {text} not null,
    created_ms   {int} not null,
    updated_ms   {int} not null,
    updated_by   {text} not null,
    primary key (repository_id, name)
) {strict};

-- What can be set off. Of one name, what the repository's file says counts.
create table action (
    repository_id {int} not null references repository(id),
    name         {text} not null,
    source       {text} not null,             -- api, file
    definition   {text} not null,             -- JSON
    created_ms   {int} not null,
    updated_ms   {int} not null,
    updated_by   {text} not null,
    primary key (repository_id, name, source)
) {strict};

create table action_run (
    seq          {seq},
    id           {text} not null unique,      -- UUID, as runners know it
    repository_id {int} not null references repository(id),
    action       {text} not null,
    definition   {text} not null,             -- of the action when it was set off; secrets stand in it by name
    parameters   {text} not null default '{}',
    state        {text} not null,             -- pending, running, succeeded, failed, cancelled, timed_out
    error        {text} not null default '',
    metadata     {text} not null default '{}', -- what the runner said of it last
    actor        {text} not null default '',
    actor_type   {text} not null default '',
    created_ms   {int} not null,
    sent_ms      {int},                       -- a runner may have it since
    taken_ms     {int},                       -- a runner has it since
    ended_ms     {int},
    deadline_ms  {int} not null,              -- then it is timed out
    expires_ms   {int} not null,              -- of the token of its callback
    stop_ms      {int},                       -- a person wanted it stopped
    stop_by      {text} not null default ''
) {strict};
create index action_run_open on action_run (repository_id, deadline_ms) where ended_ms is null;
create index action_run_of on action_run (repository_id, seq);
