/* Batches as people meet them, made by a pull request and an upload, as in the field. */
import assert from 'node:assert/strict';
import type { PullView } from '../forge-sim/client.ts';
import { affected, repositoryFiles, type Part } from '../e2e/graph.ts';
import { eventually, upload, type House, type Repo, type Value } from '../api/house.ts';

export interface Scene {
    repo: Repo;
    pull: PullView;
    batchId: string;
    path: string;
}

/** `count` instances in stacks of `perStack`; each waits for two that stand before it in its stack. */
export function many(count: number, perStack = 40): Part[] {
    return Array.from({ length: count }, (_, index) => {
        const stack = `plat-${String(Math.floor(index / perStack)).padStart(3, '0')}`;
        const at = index % perStack;
        const after = at === 0 ? [] : [`component-${Math.floor((at - 1) / 2)}`];
        return { component: `component-${at}`, stack, after };
    });
}

/** Eight components in one stack, four levels deep. */
export function platform(stage: string): Part[] {
    const stack = `plat-use1-${stage}`;
    const of = (component: string, ...after: string[]): Part => ({ component, stack, after });
    return [
        of('network/vpc'),
        of('network/dns'),
        of('eks/cluster', 'network/vpc'),
        of('data/postgres', 'network/vpc'),
        of('eks/karpenter', 'eks/cluster'),
        of('eks/ingress', 'eks/cluster', 'network/dns'),
        of('apps/api', 'eks/ingress', 'data/postgres'),
        of('apps/web', 'eks/ingress'),
    ];
}

/** A pull request whose upload names these parts, and the batch that came of it. */
export async function pullScene(
    house: House,
    parts: Part[],
    order: {
        repo?: Repo;
        name?: string;
        title?: string;
        head?: string;
        settings?: Value;
        isDraft?: boolean;
        /** Instead of the parts: the affected set as it is. */
        stacks?: Value[];
    } = {},
): Promise<Scene> {
    const repo =
        order.repo ??
        (await house.repo(order.name ?? 'infra', repositoryFiles() as Record<string, string>));
    if (order.settings)
        await house.ok('PATCH', `/api/v1/repositories/${repo.lane}/settings`, order.settings);
    const pull = await house.sim.openPull(repo.full_name, {
        head: order.head ?? 'second-zone',
        title: order.title ?? 'A second availability zone',
        files: { [`${order.head ?? 'a'}.tf`]: '#' },
        ...(order.isDraft ? { draft: true } : {}),
    });
    const runner = {
        event_name: 'pull_request',
        ref: `refs/pull/${pull.number}/merge`,
        head_ref: pull.head_ref,
        base_ref: 'main',
        sha: pull.head_sha,
        workflow: 'affected.yaml',
    };
    const token = await house.session(repo, runner);
    const stacks = order.stacks ?? (affected(parts) as unknown as Value[]);
    const body = upload(repo, stacks, { head_sha: pull.head_sha });
    await house.ok('POST', '/api/v1/affected-stacks', body, { token });
    const batchId = await eventually(async () => {
        const { data } = await house.ok(
            'GET',
            `/api/v1/batches?repo=${repo.full_name}&head_sha=${pull.head_sha}`,
        );
        const [batch] = data['items'] as Value[];
        assert.ok(batch);
        assert.notEqual(batch['state'], 'preparing');
        return batch['id'] as string;
    });
    return { repo, pull, batchId, path: `/batches/${batchId}` };
}

export async function nodesOf(house: House, scene: Scene): Promise<Value[]> {
    const { data } = await house.ok('GET', `/api/v1/batches/${scene.batchId}/graph`);
    return data['nodes'] as Value[];
}

export async function nodeOf(house: House, scene: Scene, component: string): Promise<Value> {
    const node = (await nodesOf(house, scene)).find((one) => one['component'] === component);
    assert.ok(node, `there is no ${component}`);
    return node;
}

/** Until this many nodes are in one of these states. */
export async function until(
    house: House,
    scene: Scene,
    count: number,
    ...states: string[]
): Promise<void> {
    await eventually(async () => {
        const nodes = await nodesOf(house, scene);
        const there = nodes.filter((node) => states.includes(node['state'] as string));
        assert.ok(there.length >= count, JSON.stringify(nodes.map((node) => node['state'])));
    });
}

/** What the CLI reports of an execution: its log with colours, and what it would change. */
export async function report(
    house: House,
    scene: Scene,
    node: Value,
    log: string,
    changes: { action: string; address: string }[] = [],
): Promise<void> {
    const token = await house.session(scene.repo);
    const count = (action: string) => changes.filter((one) => one.action === action).length;
    const counts = {
        create: count('create'),
        change: count('update'),
        replace: count('replace'),
        destroy: count('destroy'),
    };
    await house.ok(
        'POST',
        '/api/v1/atmos/exec',
        {
            execution_id: `exec-${String(node['runId'])}`,
            atmos_pro_run_id: node['runId'],
            command: 'terraform plan',
            exit_code: 2,
            data: {
                version: 1,
                components: [
                    {
                        stack: node['stack'],
                        component: node['component'],
                        resource_counts: counts,
                        counts,
                        changes,
                        warnings: [],
                        errors: [],
                        logs: Buffer.from(log).toString('base64'),
                    },
                ],
            },
        },
        { token },
    );
}
