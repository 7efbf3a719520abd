-- A lock call writes one row of lock and one of audit: both tables in as few B-trees as they are read by, so that a commit writes few
-- pages. Nobody looks up a lock or an audit row by its id, and the audit's order needs no number that is never given twice.
create table lock_lean (
    workspace_id {text} not null references workspace(id),
    folded       {text} not null,             -- as compared
    id           {text} not null,             -- lock_…, new with every grant
    key          {text} not null,             -- as sent
    message      {text} not null,
    properties   {text} not null default '{}',
    actor        {text} not null default '',
    token        {int} not null,              -- rises with every grant of this key
    session_repository {int} not null default 0,  -- of the workflow session that took it: closing a
    session_ref  {text} not null default '',  -- pull request leaves no lock behind
    created_ms   {int} not null,
    updated_ms   {int} not null,
    expires_ms   {int} not null,
    deleted_ms   {int},
    primary key (workspace_id, folded)
) {strict};
insert into lock_lean (workspace_id, folded, id, key, message, properties, actor, token, session_repository, session_ref,
    created_ms, updated_ms, expires_ms, deleted_ms)
select workspace_id, folded, id, key, message, properties, actor, token, session_repository, session_ref,
    created_ms, updated_ms, expires_ms, deleted_ms from lock;
drop table lock;
alter table lock_lean rename to lock;

create table audit_lean (
    seq          {seq},
    id           {text} not null,             -- aud_…
    workspace_id {text},
    repository_id {int},
    at_ms        {int} not null,
    category     {text} not null,
    action       {text} not null,
    actor_type   {text} not null,
    actor        {text} not null,
    target_type  {text} not null default '',
    target       {text} not null default '',
    description  {text} not null default '',
    metadata     {text} not null default '{}'
) {strict};
insert into audit_lean (id, workspace_id, repository_id, at_ms, category, action, actor_type, actor, target_type, target, description, metadata)
select id, workspace_id, repository_id, at_ms, category, action, actor_type, actor, target_type, target, description, metadata
from audit order by seq;
drop table audit;
alter table audit_lean rename to audit;
create index audit_of on audit (workspace_id, seq);
