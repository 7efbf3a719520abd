/*
 * What the atmos CLI sends and what it makes of our answers (atmos-pro.md §2 to §5), as a table of interactions.
 */
import assert from 'node:assert/strict';
import { affected, upload, type House, type Repo, type Value } from './house.ts';

export interface Interaction {
    name: string;
    /** What has to be there before; in the words of a contract, the provider's state. */
    given?: (world: World) => Promise<unknown>;
    method: string;
    path: (world: World) => string;
    body?: (world: World) => unknown;
    status: number;
    tag?: string;
    more?: (reply: { body: Value; data: Value; headers: Value }, world: World) => void;
}
export interface World {
    house: House;
    repo: Repo;
    session: string;
    key: string;
    count: number;
}

export const cli = { 'user-agent': 'atmos/1.226.1 (linux; amd64)' };
const whole_seconds = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const report = { command: 'plan', exit_code: 0, last_run: '2026-08-21T10:00:00Z' };
const patch = (stack: string, component: string) => (w: World) =>
    `/api/v1/repos/${w.repo.full_name}/instances?stack=${stack}&component=${component}`;
const chunk = (w: World, index: number, total: number, name: string) =>
    upload(w.repo, [affected(name, 'dev')], {
        head_sha: 'c'.repeat(40),
        batch_id: `chunks-${w.count}`,
        batch_index: index,
        batch_total: total,
    });
const at = (path: string) => () => path;

export const interactions: Interaction[] = [
    /* §4.3 */
    {
        name: 'uploads affected stacks, as 1.206 and later strip them',
        method: 'POST',
        path: at('/api/v1/affected-stacks'),
        body: (w) =>
            upload(w.repo, [
                affected('vpc', 'plat-ue2-dev', {
                    settings: {
                        pro: {
                            enabled: true,
                            pull_request: {
                                opened: { workflows: { 'plan.yaml': { inputs: { a: 'b' } } } },
                            },
                        },
                    },
                    dependents: [
                        affected('eks/cluster', 'plat-ue2-dev', {
                            included_in_dependents: true,
                            settings: {},
                        }),
                    ],
                }),
                affected('old', 'plat-ue2-dev', { deleted: true, deletion_type: 'component' }),
            ]),
        status: 200,
        more: ({ data }) => assert.equal(data['state'], 'stored'),
    },
    {
        name: 'uploads that nothing is affected',
        method: 'POST',
        path: at('/api/v1/affected-stacks'),
        body: (w) => upload(w.repo, []),
        status: 200,
    },
    {
        name: 'uploads null where an older Go had no slice',
        method: 'POST',
        path: at('/api/v1/affected-stacks'),
        body: (w) => ({ ...upload(w.repo, []), stacks: null }),
        status: 200,
    },
    {
        name: 'uploads with all the fields of an older CLI',
        method: 'POST',
        path: at('/api/v1/affected-stacks'),
        body: (w) =>
            upload(w.repo, [
                affected('vpc', 'plat-ue2-dev', {
                    component_type: 'terraform',
                    component_path: 'components/terraform/vpc',
                    stack_slug: 'plat-ue2-dev-vpc',
                    affected: 'stack.vars',
                    affected_all: ['stack.vars'],
                    namespace: 'x',
                    tenant: 'plat',
                    environment: 'ue2',
                    stage: 'dev',
                    spacelift_stack: 's',
                    atlantis_project: 'a',
                    file: 'f',
                    folder: 'd',
                    settings: {
                        depends_on: { 1: { component: 'x' } },
                        spacelift: { workspace_enabled: true },
                    },
                    something_new: [1, { two: 3 }],
                }),
            ]),
        status: 200,
    },
    {
        name: "uploads text as Go's encoder escapes it",
        method: 'POST',
        path: at('/api/v1/affected-stacks'),
        body: (w) =>
            JSON.stringify(upload(w.repo, [affected('a<b>&c', 'dev')]))
                .replaceAll('<', '\\u003c')
                .replaceAll('>', '\\u003e')
                .replaceAll('&', '\\u0026'),
        status: 200,
    },
    {
        name: 'uploads without head_sha',
        method: 'POST',
        path: at('/api/v1/affected-stacks'),
        body: (w) => ({ ...upload(w.repo, []), head_sha: undefined }),
        status: 400,
        tag: 'ValidationError',
    },
    {
        name: 'uploads for another repository',
        method: 'POST',
        path: at('/api/v1/affected-stacks'),
        body: (w) => ({ ...upload(w.repo, []), repo_name: 'elsewhere' }),
        status: 403,
        tag: 'RepositoryMismatch',
    },
    {
        name: 'uploads with the repository in other letters',
        method: 'POST',
        path: at('/api/v1/affected-stacks'),
        body: (w) => ({
            ...upload(w.repo, []),
            repo_owner: 'ACME',
            repo_name: w.repo.name.toUpperCase(),
        }),
        status: 200,
    },
    {
        name: 'uploads an entry without a component: all bullets, nothing stored',
        method: 'POST',
        path: at('/api/v1/affected-stacks'),
        body: (w) => upload(w.repo, [{ stack: 'dev' }, affected('ok', 'dev'), { component: 'x' }]),
        status: 400,
        tag: 'ValidationError',
        more: ({ data }) => assert.equal((data['validationErrors'] as string[]).length, 2),
    },
    {
        name: 'uploads the first of two chunks',
        method: 'POST',
        path: at('/api/v1/affected-stacks'),
        body: (w) => chunk(w, 0, 2, 'one'),
        status: 200,
        more: ({ data }) => assert.equal(data['state'], 'waiting_for_chunks'),
    },
    {
        name: 'uploads the second of two chunks',
        given: (w) =>
            w.house.ok('POST', '/api/v1/affected-stacks', chunk(w, 0, 2, 'one'), {
                token: w.session,
            }),
        method: 'POST',
        path: at('/api/v1/affected-stacks'),
        body: (w) => chunk(w, 1, 2, 'two'),
        status: 200,
        more: ({ data }) => assert.equal(data['state'], 'stored'),
    },
    {
        name: 'uploads one chunk of one, as after a 413',
        method: 'POST',
        path: at('/api/v1/affected-stacks'),
        body: (w) => chunk(w, 0, 1, 'all'),
        status: 200,
        more: ({ data }) => assert.equal(data['state'], 'stored'),
    },
    /* §4.4 */
    {
        name: 'uploads the inventory',
        method: 'POST',
        path: at('/api/v1/instances'),
        body: (w) => ({
            ...upload(w.repo, []),
            stacks: undefined,
            instances: [
                {
                    component: 'vpc',
                    stack: 'dev',
                    component_type: 'terraform',
                    settings: { pro: { enabled: true } },
                },
                { component: 'eks/cluster', stack: 'dev', component_type: 'terraform' },
                { component: 'web', stack: 'dev', component_type: 'helmfile' },
            ],
        }),
        status: 200,
    },
    {
        name: 'uploads the inventory without knowing its repository',
        method: 'POST',
        path: at('/api/v1/instances'),
        body: () => ({
            repo_url: '',
            repo_name: '',
            repo_owner: '',
            repo_host: '',
            instances: [{ component: 'vpc', stack: 'dev', component_type: 'terraform' }],
        }),
        status: 200,
    },
    {
        name: 'uploads drift detection without its workflows (§13.5)',
        method: 'POST',
        path: at('/api/v1/instances'),
        body: () => ({
            instances: [
                {
                    component: 'vpc',
                    stack: 'dev',
                    component_type: 'terraform',
                    settings: { pro: { enabled: true, drift_detection: { enabled: true } } },
                },
            ],
        }),
        status: 400,
        tag: 'DriftDetectionValidationError',
        more: ({ data }) =>
            assert.ok((data['validationErrors'] as string[]).every((line) => /vpc/.test(line))),
    },
    /* §4.5 */
    {
        name: 'reports a plan',
        method: 'PATCH',
        path: patch('dev', 'vpc'),
        body: () => report,
        status: 200,
    },
    {
        name: 'reports with the parameters the other way round',
        method: 'PATCH',
        path: (w) => `/api/v1/repos/${w.repo.full_name}/instances?component=vpc&stack=dev`,
        body: () => report,
        status: 200,
    },
    {
        name: 'reports a component with an escaped slash',
        method: 'PATCH',
        path: patch('dev', 'eks%2Fcluster'),
        body: () => report,
        status: 200,
    },
    {
        name: 'reports a component with a bare slash',
        method: 'PATCH',
        path: patch('dev', 'eks/cluster'),
        body: () => report,
        status: 200,
    },
    {
        name: 'reports a nested component by its last part (CLI defect)',
        method: 'PATCH',
        path: patch('dev', 'cluster'),
        body: () => report,
        status: 200,
    },
    {
        name: 'reports blanks written as plus',
        method: 'PATCH',
        path: patch('a+stack', 'a%20part'),
        body: () => report,
        status: 200,
    },
    {
        name: 'reports changes found',
        method: 'PATCH',
        path: patch('dev', 'vpc'),
        body: () => ({ ...report, exit_code: 2 }),
        status: 200,
    },
    {
        name: 'reports an apply',
        method: 'PATCH',
        path: patch('dev', 'vpc'),
        body: () => ({ ...report, command: 'apply', exit_code: 1 }),
        status: 200,
    },
    {
        name: 'reports "terraform plan"',
        method: 'PATCH',
        path: patch('dev', 'vpc'),
        body: () => ({ ...report, command: 'terraform plan' }),
        status: 200,
    },
    {
        name: 'reports a remediation',
        method: 'PATCH',
        path: patch('dev', 'vpc'),
        body: () => ({ ...report, command: 'remediate' }),
        status: 200,
    },
    {
        name: 'reports as before 1.211: drifted',
        method: 'PATCH',
        path: patch('dev', 'vpc'),
        body: () => ({ status: 'drifted' }),
        status: 200,
    },
    {
        name: 'reports as before 1.211: in_sync',
        method: 'PATCH',
        path: patch('dev', 'vpc'),
        body: () => ({ status: 'in_sync', last_run: '2026-08-21T10:00:00Z' }),
        status: 200,
    },
    {
        name: 'reports with the proposed extension',
        method: 'PATCH',
        path: patch('dev', 'vpc'),
        body: () => ({
            ...report,
            component_type: 'terraform',
            metadata: {
                has_changes: true,
                resource_counts: { create: 1, change: 0, replace: 0, destroy: 0 },
            },
        }),
        status: 200,
    },
    {
        name: 'reports under the path of CLIs before 1.196',
        method: 'PATCH',
        path: (w) => `/api/v1/repos/${w.repo.full_name}/instances/dev/vpc`,
        body: () => ({ status: 'in_sync' }),
        status: 200,
        more: ({ headers }) => assert.ok(headers['deprecation']),
    },
    {
        name: 'reports under the old path with a nested component',
        method: 'PATCH',
        path: (w) => `/api/v1/repos/${w.repo.full_name}/instances/dev/eks/cluster`,
        body: () => report,
        status: 200,
    },
    {
        name: 'reports an instance nobody knows',
        method: 'PATCH',
        path: patch('dev', 'nothing'),
        body: () => report,
        status: 404,
        tag: 'InstanceNotFound',
    },
    {
        name: 'reports without a command',
        method: 'PATCH',
        path: patch('dev', 'vpc'),
        body: () => ({}),
        status: 400,
        tag: 'ValidationError',
    },
    {
        name: 'reports a command that is none',
        method: 'PATCH',
        path: patch('dev', 'vpc'),
        body: () => ({ ...report, command: 'destroy the world' }),
        status: 400,
        tag: 'ValidationError',
    },
    {
        name: 'reports without an exit code',
        method: 'PATCH',
        path: patch('dev', 'vpc'),
        body: () => ({ command: 'plan' }),
        status: 400,
        tag: 'ValidationError',
    },
    {
        name: 'reports a half exit code',
        method: 'PATCH',
        path: patch('dev', 'vpc'),
        body: () => ({ ...report, exit_code: 0.5 }),
        status: 400,
        tag: 'ValidationError',
    },
    {
        name: 'reports a time that is none',
        method: 'PATCH',
        path: patch('dev', 'vpc'),
        body: () => ({ ...report, last_run: 'yesterday' }),
        status: 400,
        tag: 'ValidationError',
    },
    {
        name: 'reports without a stack',
        method: 'PATCH',
        path: (w) => `/api/v1/repos/${w.repo.full_name}/instances?component=vpc`,
        body: () => report,
        status: 400,
        tag: 'ValidationError',
    },
    {
        name: 'reports for another repository',
        method: 'PATCH',
        path: () => '/api/v1/repos/acme/elsewhere/instances?stack=dev&component=vpc',
        body: () => report,
        status: 403,
        tag: 'RepositoryMismatch',
    },
    /* §4.6, §4.7, §5 */
    {
        name: 'locks',
        method: 'POST',
        path: at('/api/v1/locks'),
        body: (w) => ({ key: w.key, ttl: 30, lockMessage: 'Locked by Atmos' }),
        status: 200,
        more: ({ data }, w) => {
            assert.equal(data['key'], w.key);
            assert.equal(data['lockMessage'], 'Locked by Atmos');
            assert.equal(data['workspaceId'], w.house.workspace);
            assert.equal(data['deletedAt'], null);
            assert.match(data['expiresAt'] as string, whole_seconds);
            // Shown in whole seconds: what was asked for, never less.
            assert.ok(
                [30_000, 31_000].includes(
                    Date.parse(data['expiresAt'] as string) -
                        Date.parse(data['createdAt'] as string),
                ),
            );
        },
    },
    {
        name: 'locks what is locked: the message of the holder',
        given: (w) =>
            w.house.ok(
                'POST',
                '/api/v1/locks',
                { key: w.key, ttl: 30, lockMessage: 'Ada is migrating' },
                { token: w.session },
            ),
        method: 'POST',
        path: at('/api/v1/locks'),
        body: (w) => ({ key: w.key, ttl: 30 }),
        status: 409,
        tag: 'LockAlreadyExists',
        more: ({ body }) => {
            assert.match(body['errorMessage'] as string, /Ada is migrating/);
            assert.equal(body['context'].message, 'Ada is migrating');
            assert.match(body['context'].locked_at, whole_seconds);
            assert.equal(body['context'].locked_by, 'octocat');
        },
    },
    {
        name: 'locks under the older path, with message and a list of properties',
        method: 'POST',
        path: at('/api/locks'),
        body: (w) => ({
            key: w.key,
            ttl: 172800,
            message: 'weekend',
            properties: [{ key: 'ticket', value: 'OPS-1' }],
        }),
        status: 200,
        more: ({ data }) => {
            assert.equal(data['lockMessage'], 'weekend');
            assert.deepEqual(data['properties'], { ticket: 'OPS-1' });
        },
    },
    {
        name: 'locks without a time',
        method: 'POST',
        path: at('/api/v1/locks'),
        body: (w) => ({ key: w.key }),
        status: 400,
        tag: 'ValidationError',
    },
    {
        name: 'locks without a key',
        method: 'POST',
        path: at('/api/v1/locks'),
        body: () => ({ ttl: 30 }),
        status: 400,
        tag: 'ValidationError',
    },
    {
        name: 'unlocks, with a body on DELETE',
        given: (w) =>
            w.house.ok('POST', '/api/v1/locks', { key: w.key, ttl: 30 }, { token: w.session }),
        method: 'DELETE',
        path: at('/api/v1/locks'),
        body: (w) => ({ key: w.key }),
        status: 200,
    },
    {
        name: 'unlocks under the older path',
        given: (w) =>
            w.house.ok('POST', '/api/v1/locks', { key: w.key, ttl: 30 }, { token: w.session }),
        method: 'DELETE',
        path: at('/api/locks'),
        body: (w) => ({ key: w.key }),
        status: 200,
    },
    {
        name: 'unlocks what is not locked',
        method: 'DELETE',
        path: at('/api/v1/locks'),
        body: (w) => ({ key: w.key }),
        status: 404,
        tag: 'LockNotFound',
        more: ({ body }) =>
            assert.match(body['errorMessage'] as string, /expired|not found|no lock/i),
    },
    /* §4.9, §4.10 */
    {
        name: 'tells of an execution',
        method: 'POST',
        path: at('/api/v1/atmos/exec'),
        body: (w) => ({
            execution_id: `9f3c-${w.count}`,
            atmos_pro_run_id: '',
            atmos_version: '1.227.0',
            atmos_os: 'linux',
            atmos_arch: 'amd64',
            command: 'terraform plan',
            args: ['vpc'],
            flags: { stack: 'dev' },
            exit_code: 2,
            git_sha: 'a'.repeat(40),
            repo_url: '',
            repo_name: '',
            repo_owner: '',
            repo_host: '',
            metrics: { wall_time_ms: 10, user_cpu_time_ms: 5, system_cpu_time_ms: 1 },
            data: {
                version: 1,
                components: [
                    {
                        component: 'vpc',
                        stack: 'dev',
                        resource_counts: { create: 1, change: 0, replace: 0, destroy: 0 },
                        exit_code: 2,
                    },
                ],
            },
        }),
        status: 200,
    },
    {
        name: 'tells of an execution in the first shape',
        method: 'POST',
        path: at('/api/v1/atmos/exec'),
        body: () => ({
            command: 'atmos list stacks',
            args: null,
            exit_code: 0,
            data_items: [{}],
            batch_id: 'b',
            batch_index: 0,
            batch_total: 1,
        }),
        status: 200,
    },
    {
        name: 'tells of an execution without saying which',
        method: 'POST',
        path: at('/api/v1/atmos/exec'),
        body: () => ({ exit_code: 0 }),
        status: 400,
        tag: 'ValidationError',
    },
    {
        name: 'names data elsewhere: we fetch from nowhere',
        method: 'POST',
        path: at('/api/v1/atmos/exec'),
        body: () => ({
            command: 'x',
            exit_code: 0,
            data: 'http://169.254.169.254/latest/meta-data',
        }),
        status: 400,
        tag: 'ValidationError',
    },
    {
        name: 'stores large data, and has its url at the top',
        method: 'POST',
        path: at('/api/v1/atmos/exec/data'),
        body: () => ({
            execution_id: 'e',
            data: { version: 1, components: [], logs: 'eA=='.repeat(50_000) },
        }),
        status: 200,
        more: ({ body }) => {
            assert.match(
                body['url'] as string,
                /^http:\/\/signalbox\.test\/api\/v1\/atmos\/exec\/data\/exd_/,
            );
            assert.equal(body['data'], undefined);
        },
    },
];
