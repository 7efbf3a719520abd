-- The whole state of Signalbox. Times are milliseconds since 1970 UTC; booleans are 0 or 1; JSON is text.
-- {id}, {blob} and {strict} are the words of each database (src/db/migrate.c).

-- Settings of the installation itself: keys at rest, the instance id, what the set-up page stored.
create table app_value (
    name        {text} primary key,
    value       {blob} not null,            -- sealed when secret = 1
    secret      {int} not null default 0,
    updated_ms  {int} not null
) {strict};

create table workspace (
    id          {text} primary key,           -- ws_…
    name        {text} not null,
    created_ms  {int} not null
) {strict};

create table installation (
    id          {int} primary key,         -- the forge's number
    account     {text} not null,
    suspended   {int} not null default 0,
    deleted_ms  {int},
    permissions {text} not null default '{}',
    updated_ms  {int} not null
) {strict};

-- A repository of the forge inside one workspace. Its id is also its lane.
create table repository (
    id              {id},
    workspace_id    {text} not null references workspace(id),
    forge           {text} not null default 'github',
    forge_id        {int} not null,        -- numeric id over there: names change, this does not
    host            {text} not null,
    owner           {text} not null,
    name            {text} not null,
    default_branch  {text} not null default 'main',
    installation_id {int},
    settings        {text} not null default '{}',     -- only what differs from the defaults
    created_ms      {int} not null,
    removed_ms      {int}
) {strict};
create unique index repository_forge on repository (workspace_id, forge, forge_id);
create index repository_name on repository (owner, name);
create index repository_by_forge on repository (forge, forge_id);

create table permission (
    id            {id},
    repository_id {int} not null references repository(id),
    name          {text} not null,            -- 'Affected Stacks Create' …
    workflow      {text} not null default '*',
    branch        {text} not null default '*',
    environment   {text} not null default '*',
    created_ms    {int} not null,
    created_by    {text} not null
) {strict};
create index permission_of on permission (repository_id, name);

create table api_token (
    id            {text} primary key,         -- tok_…, also the public part of the token
    workspace_id  {text} not null references workspace(id),
    repository_id {int} references repository(id),     -- null: every repository of the workspace
    name          {text} not null,
    role          {text} not null,            -- 'member' or 'admin'
    hash          {blob} not null,          -- SHA-256 of the secret part
    created_ms    {int} not null,
    created_by    {text} not null,
    expires_ms    {int},
    used_ms       {int},
    revoked_ms    {int}
) {strict};

-- GitHub OIDC tokens are accepted once.
create table oidc_used (
    jti         {text} primary key,
    expires_ms  {int} not null
) {strict};
create index oidc_used_expires on oidc_used (expires_ms);

-- Lanes: the facts of one repository are handled in order, by one server at a time. Lane 0 is the house itself.
create table lane (
    id          {int} primary key,
    owner       {text},                       -- server id
    epoch       {int} not null default 0,  -- fences a paused owner
    lease_ms    {int} not null default 0   -- owned until
) {strict};

create table server (
    id          {text} primary key,
    started_ms  {int} not null,
    seen_ms     {int} not null,
    version     {text} not null
) {strict};

-- The inbox. Every fact is stored here before anything is decided on it.
create table fact (
    id          {id},
    lane        {int} not null,
    kind        {text} not null,              -- 'webhook.pull_request', 'upload.affected', 'answer', 'command', 'timer' …
    key         {text} unique,                -- delivery id or other identity: a second one is a duplicate
    body        {blob} not null,            -- packed
    actor       {text} not null default '',
    trace       {text} not null default '',
    received_ms {int} not null,
    state       {int} not null default 0,  -- 0 pending, 1 applied, 2 set aside (refused twice), 3 dropped (nothing to do)
    tries       {int} not null default 0,
    note        {text},                       -- what came of it
    applied_ms  {int}
) {strict};
create index fact_pending on fact (lane, id) where state = 0;
create index fact_received on fact (received_ms);

-- The outbox. An effect is written in the transaction that decided it and carried out after the commit.
create table effect (
    id            {id},
    lane          {int} not null,
    kind          {text} not null,            -- 'dispatch', 'find_run', 'read_workflow', 'check', 'comment', 'cancel_run', 'read_change', 'poll_run' …
    key           {text} not null,            -- what it is about; one open effect per (lane, kind, key)
    body          {text} not null default '{}',
    state         {int} not null default 0,-- 0 open, 1 done, 2 given up
    wanted        {int} not null default 1,-- how often it was asked for: a newer wish while under way sends it again
    attempts      {int} not null default 0,
    not_before_ms {int} not null default 0,
    created_ms    {int} not null,
    done_ms       {int},
    note          {text}
) {strict};
create unique index effect_open on effect (lane, kind, key) where state = 0;
create index effect_done on effect (done_ms) where state <> 0;

create table change (
    id            {id},
    repository_id {int} not null references repository(id),
    kind          {text} not null,            -- 'pull_request', 'release', 'merge_group', 'manual', 'drift'
    key           {text} not null,            -- number, tag, queue branch sha, id
    number        {int} not null default 0,
    title         {text} not null default '',
    author        {text} not null default '',
    url           {text} not null default '',
    state         {text} not null default 'open',     -- open, closed, merged
    draft         {int} not null default 0,
    from_fork     {int} not null default 0,
    head_sha      {text} not null default '',
    head_ref      {text} not null default '',
    base_sha      {text} not null default '',
    base_ref      {text} not null default '',
    merge_sha     {text} not null default '',
    merged_ms     {int},
    forge_updated_ms {int} not null default 0,     -- object version: older webhooks do not overwrite newer state
    created_ms    {int} not null,
    updated_ms    {int} not null
) {strict};
create unique index change_key on change (repository_id, kind, key);
create index change_head on change (repository_id, head_sha);

-- An activity of a change (opened, synchronize, merged …) that wants an upload.
create table change_event (
    id            {id},
    change_id     {int} not null references change(id),
    activity      {text} not null,
    head_sha      {text} not null,
    at_ms         {int} not null,
    expires_ms    {int} not null,
    state         {text} not null,            -- waiting, joined, expired, ignored, superseded
    batch_id      {text},
    note          {text}
) {strict};
create index change_event_of on change_event (change_id, id);
create index change_event_waiting on change_event (expires_ms) where state = 'waiting';

create table upload (
    id            {text} primary key,         -- upl_…
    repository_id {int} not null references repository(id),
    head_sha      {text} not null,
    base_sha      {text} not null,
    state         {text} not null,            -- complete, joined, superseded, expired, refused
    instances     {int} not null default 0,
    affected      {int} not null default 0,
    session       {text} not null default '{}',       -- claims worth keeping
    change_id     {int},
    body          {blob} not null,          -- packed document(s): a JSON array of the chunks' `stacks`
    note          {text},
    received_ms   {int} not null
) {strict};
create index upload_head on upload (repository_id, head_sha);
create index upload_received on upload (received_ms);

create table upload_chunk (
    repository_id {int} not null,
    kind          {text} not null,            -- affected, instances
    transport_id  {text} not null,            -- the CLI's batch_id
    position      {int} not null,
    total         {int} not null,
    head_sha      {text} not null default '',
    base_sha      {text} not null default '',
    body          {blob} not null,
    received_ms   {int} not null,
    primary key (repository_id, kind, transport_id, position)
) {strict};
create index upload_chunk_received on upload_chunk (received_ms);

create table batch (
    seq           {id},
    id            {text} not null unique,     -- batch_…
    repository_id {int} not null references repository(id),
    change_id     {int} references change(id),
    upload_id     {text},
    event         {text} not null,            -- pull_request, release, merge_group, manual, drift_detection
    activity      {text} not null,
    head_sha      {text} not null,            -- what the workflows check out (input `sha`)
    base_sha      {text} not null default '',
    ref           {text} not null default '', -- dispatch ref
    state         {text} not null,            -- preparing, held, running, ended
    verdict       {text} not null default '', -- success, failure, cancelled, superseded, empty
    error         {text} not null default '', -- why it could not be planned
    strict_plans  {int} not null default 0,
    cancelled     {int} not null default 0,
    superseded_by {text},
    actor         {text} not null default '',
    node_count    {int} not null default 0,
    dispatchable  {int} not null default 0,
    edges         {blob} not null,          -- packed: pairs of little-endian uint32 (parent, child)
    files         {text} not null default '[]',   -- workflow files still to be read
    tree_differs  {int} not null default 0,
    created_ms    {int} not null,
    started_ms    {int},
    ended_ms      {int},
    updated_ms    {int} not null
) {strict};
create index batch_of_change on batch (change_id, seq);
create index batch_of_repository on batch (repository_id, seq);
create index batch_open on batch (repository_id) where state <> 'ended';
create index batch_head on batch (repository_id, head_sha);

create table node (
    batch_seq     {int} not null references batch(seq),
    position      {int} not null,          -- index in the batch
    stack         {text} not null,
    component     {text} not null,
    workflow      {text} not null,
    state         {text} not null,
    run_class     {int} not null,          -- 0 plan, 1 apply
    level         {int} not null default 0,
    inert         {text} not null default '',
    inputs        {text} not null default '{}',       -- as configured
    guess         {text} not null default '',
    attempt       {int} not null default 0,
    run_id        {text},                     -- of the present attempt
    cancel_wanted {int} not null default 0,
    not_before_ms {int} not null default 0,
    expected_ms   {int} not null default 60000,
    tries         {int} not null default 0,        -- dispatch calls put back in a row
    gate          {text} not null default '',         -- why it is locked: JSON {lock:{…}} or {run:{…}}
    error_code    {text} not null default '',
    error_text    {text} not null default '',
    changed_ms    {int} not null,
    primary key (batch_seq, position)
) {strict};
create index node_instance on node (stack, component) ;

create table run (
    id            {text} primary key,         -- run_…: atmos_pro_run_id
    batch_seq     {int} not null references batch(seq),
    position      {int} not null,
    attempt       {int} not null,
    repository_id {int} not null,
    stack         {text} not null,
    component     {text} not null,
    workflow      {text} not null,
    ref           {text} not null,
    sha           {text} not null,
    inputs        {text} not null default '{}',       -- as sent
    trigger_event {text} not null default '',
    guess         {text} not null default '',
    reported      {text} not null default '',         -- command that the CLI reported
    exit_code     {int},
    state         {text} not null,            -- node state names
    fence         {int} not null default 0,        -- rising over the runs of one instance: a result under an older one is refused
    forge_run_id  {int},
    forge_attempt {int} not null default 0,
    url           {text} not null default '',
    findable      {int} not null default 0,        -- the run's title will carry our id
    error_code    {text} not null default '',
    error_text    {text} not null default '',
    counts        {text},                     -- {"create":1,…} from exec records
    created_ms    {int} not null,
    dispatched_ms {int},
    started_ms    {int},
    ended_ms      {int},
    seen_ms       {int} not null           -- last word from the forge
) {strict};
create index run_of_node on run (batch_seq, position, attempt);
create unique index run_forge on run (repository_id, forge_run_id) where forge_run_id is not null;
create index run_live on run (repository_id, stack, component) where ended_ms is null;
create index run_by_instance on run (repository_id, stack, component, created_ms);

-- What runs of an instance and workflow usually take: the forecast and the longest-path priority learn from it.
create table duration (
    repository_id {int} not null,
    stack         {text} not null,
    component     {text} not null,
    workflow      {text} not null,
    mean_ms       {int} not null,
    samples       {int} not null,
    primary key (repository_id, stack, component, workflow)
) {strict};

create table instance (
    id             {id},
    repository_id  {int} not null references repository(id),
    stack          {text} not null,
    component      {text} not null,
    component_type {text} not null default '',
    settings       {text} not null default '{}',
    enabled        {int} not null default 0,
    disabled_ms    {int},
    drift_enabled  {int} not null default 0,
    drift_status   {text} not null default 'unknown',
    orphaned       {int} not null default 0,
    last_run_ms    {int},
    last_command   {text} not null default '',
    last_exit_code {int},
    last_source    {text} not null default '',    -- run id or 'external'
    fence          {int} not null default 0,   -- the newest token given for this instance
    created_ms     {int} not null,
    updated_ms     {int} not null
) {strict};
create unique index instance_of on instance (repository_id, stack, component);

create table lock (
    id           {text} primary key,          -- lock_…
    workspace_id {text} not null references workspace(id),
    key          {text} not null,             -- as sent
    folded       {text} not null,             -- as compared
    message      {text} not null,
    properties   {text} not null default '{}',
    actor        {text} not null default '',
    token        {int} not null,           -- rises with every grant of this key
    session_repository {int} not null default 0,  -- of the workflow session that took it: closing a
    session_ref  {text} not null default '', -- pull request leaves no lock behind
    created_ms   {int} not null,
    updated_ms   {int} not null,
    expires_ms   {int} not null,
    deleted_ms   {int}
) {strict};
create unique index lock_active on lock (workspace_id, folded) where deleted_ms is null;
create index lock_expires on lock (expires_ms) where deleted_ms is null;

create table lock_token (
    workspace_id {text} not null,
    folded       {text} not null,
    token        {int} not null,
    primary key (workspace_id, folded)
) {strict};

-- What we keep on the forge: one check per head, one comment per change.
create table feedback (
    repository_id {int} not null,
    kind          {text} not null,            -- check, comment, review
    key           {text} not null,            -- head sha or change id
    forge_object  {int},                   -- its id over there
    sent_hash     {text} not null default '', -- of the bytes last written
    sent_digest   {text} not null default '',
    sent_ms       {int} not null default 0,
    note          {text},
    primary key (repository_id, kind, key)
) {strict};

create table workflow_file (
    repository_id {int} not null,
    ref           {text} not null,
    file          {text} not null,
    blob          {text} not null default '', -- blob sha; '' when the file does not exist
    body          {text} not null default '',
    etag          {text} not null default '',
    read_ms       {int} not null,
    stale         {int} not null default 0,    -- a push to the ref came since
    primary key (repository_id, ref, file)
) {strict};

create table exec_record (
    execution_id  {text} not null,
    repository_id {int} not null,
    run_id        {text},                     -- ours, when it could be told
    command       {text} not null,
    exit_code     {int} not null,
    body          {blob} not null,          -- packed
    received_ms   {int} not null,
    primary key (repository_id, execution_id)
) {strict};
create index exec_record_run on exec_record (run_id);

create table exec_data (
    id            {text} primary key,
    repository_id {int} not null,
    execution_id  {text} not null,
    body          {blob} not null,
    received_ms   {int} not null
) {strict};

create table audit (
    seq          {id},
    id           {text} not null unique,      -- aud_…
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
create index audit_at on audit (workspace_id, seq);

-- The last word of the forge about its limits, per installation and resource (issue of the budget builds on it).
create table quota (
    installation_id {int} not null,
    resource        {text} not null,
    limit_count     {int} not null,
    remaining       {int} not null,
    reset_ms        {int} not null,
    blocked_until_ms {int} not null default 0,
    observed_ms     {int} not null,
    primary key (installation_id, resource)
) {strict};
