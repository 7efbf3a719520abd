/* Affected sets as the CLI uploads them, of any size. */

const settingsOf = (component: string, stack: string, workflow: string) => {
    const plan = { workflows: { [workflow]: { inputs: { component, stack } } } };
    return { pro: { enabled: true, pull_request: { opened: plan } } };
};
const entry = (component: string, stack: string, dependents: object[], workflow = 'plan.yaml') => ({
    component,
    stack,
    component_type: 'terraform',
    component_path: `components/terraform/${component}`,
    stack_slug: `${stack}-${component.replaceAll('/', '-')}`,
    affected: 'stack.vars',
    settings: settingsOf(component, stack, workflow),
    dependents,
    included_in_dependents: false,
});

/** Chains of `depth`: each stands on the one before, nested as the CLI nests them. */
export function chains(count: number, depth: number, more: object = {}): object[] {
    const roots: object[] = [];
    for (let made = 0; made < count; ) {
        const length = Math.min(depth, count - made);
        let below: object[] = [];
        for (let level = length - 1; level >= 0; level--) below = [{ ...entry(`layer${level}/unit-${made + level}`, `plat-use1-${made % 4}`, below), ...more }];
        roots.push(...below);
        made += length;
    }
    return roots;
}

/** W6 (peers.md §4.4): 2,000 units in 8 levels, 6,000 edges, four environments. Each is named at the top, with what stands on it directly. */
export function lattice(count: number, levels: number, edges: number): object[] {
    const stacks = ['dev', 'staging', 'prod', 'dr'];
    const width = Math.ceil(count / levels);
    const name = (i: number) => ({ component: `level${Math.floor(i / width)}/unit-${i}`, stack: `plat-use1-${stacks[i % 4]}` });
    const below: Set<number>[] = Array.from({ length: count }, () => new Set<number>());
    let made = 0;
    const add = (parent: number, child: number) => {
        if (below[parent]!.has(child)) return;
        below[parent]!.add(child);
        made++;
    };
    for (let i = width; i < count; i++) add(i - width, i);
    for (let turn = 1; made < edges; turn++) {
        for (let i = width; i < count && made < edges; i++) {
            const level = Math.floor(i / width);
            add((level - 1) * width + ((i * 7 + turn * 31) % width), i);
        }
    }
    return below.map((children, i) => {
        const own = name(i);
        return entry(own.component, own.stack, [...children].map((child) => ({ ...entry(name(child).component, name(child).stack, []), included_in_dependents: true })));
    });
}

export interface Head {
    number: number;
    sha: string;
}
export const headOf = (number: number): Head => ({ number, sha: number.toString(16).padStart(40, 'a') });

export function pullOpened(repository: { id: number; owner: string; name: string }, head: Head): object {
    const repo = { id: repository.id, name: repository.name, full_name: `${repository.owner}/${repository.name}`, owner: { login: repository.owner }, default_branch: 'main', html_url: `https://github.com/${repository.owner}/${repository.name}` };
    const at = new Date().toISOString();
    const pull = {
        number: head.number, state: 'open', title: `Change ${head.number}`, draft: false, user: { login: 'octocat' }, html_url: `${repo.html_url}/pull/${head.number}`,
        head: { ref: `branch-${head.number}`, sha: head.sha, repo }, base: { ref: 'main', sha: '0'.repeat(40), repo }, merged: false, created_at: at, updated_at: at,
    };
    return { action: 'opened', number: head.number, pull_request: pull, repository: repo, sender: { login: 'octocat' }, installation: { id: 7 } };
}

export function uploadBody(repository: { owner: string; name: string }, head: Head, stacks: object[]): Buffer {
    return Buffer.from(
        JSON.stringify({
            head_sha: head.sha,
            base_sha: '0'.repeat(40),
            repo_url: `https://github.com/${repository.owner}/${repository.name}`,
            repo_name: repository.name,
            repo_owner: repository.owner,
            repo_host: 'github.com',
            stacks,
        }),
    );
}
