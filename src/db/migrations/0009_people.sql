-- People who sign in. A local one is known by its login, one of a forge by its number over there: logins change hands.
create table person (
    id          {text} primary key,         -- per_…
    source      {text} not null,            -- local, github
    login       {text} not null,
    folded      {text} not null,            -- the login in lower case
    forge_id    {int},                      -- null: local
    name        {text} not null default '', -- as the forge shows it
    password    {text} not null default '', -- argon2id with its parameters and salt; empty: none
    created_ms  {int} not null,
    updated_ms  {int} not null
) {strict};
create unique index person_local on person (folded) where source = 'local';
create unique index person_forge on person (source, forge_id) where forge_id is not null;

create table member (
    workspace_id {text} not null references workspace(id),
    person_id    {text} not null references person(id),
    role         {text} not null,           -- owner, admin, member
    created_ms   {int} not null,
    created_by   {text} not null,
    primary key (workspace_id, person_id)
) {strict};
create index member_person on member (person_id);

-- A browser that is signed in. The cookie is not stored, only its hash.
create table person_session (
    id           {text} primary key,        -- pse_…
    person_id    {text} not null references person(id),
    workspace_id {text} not null,           -- what it looks at
    hash         {blob} not null unique,    -- SHA-256 of the cookie
    created_ms   {int} not null,
    seen_ms      {int} not null,
    expires_ms   {int} not null,
    agent        {text} not null default '',
    peer         {text} not null default ''
) {strict};
create index person_session_of on person_session (person_id);
create index person_session_expires on person_session (expires_ms);

-- Its code is made of its id with the key of the server, and stored nowhere.
create table invitation (
    id           {text} primary key,        -- inv_…
    workspace_id {text} not null references workspace(id),
    role         {text} not null,
    login        {text} not null default '', -- of the forge; empty: whoever has the code, with a local account
    folded       {text} not null default '',
    first_start  {int} not null default 0,  -- made for a house without people
    created_ms   {int} not null,
    created_by   {text} not null,
    expires_ms   {int},                     -- null: valid until used
    used_ms      {int},
    used_by      {text},                    -- per_…
    revoked_ms   {int}
) {strict};
create index invitation_of on invitation (workspace_id, created_ms);
create index invitation_login on invitation (folded) where used_ms is null and revoked_ms is null;

-- Failed attempts to sign in, by account and by address.
create table sign_in_failure (
    key         {text} primary key,         -- 'account:…', 'peer:…'
    failures    {int} not null,
    last_ms     {int} not null,
    until_ms    {int} not null              -- refused until then
) {strict};
create index sign_in_failure_last on sign_in_failure (last_ms);
