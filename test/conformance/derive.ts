import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

type Json = Record<string, unknown>;
interface Operation {
    parameters?: Json[];
    responses: Record<string, Json>;
    'x-github'?: { triggersNotification?: boolean };
}
interface Description {
    paths: Record<string, Record<string, Operation>>;
    components: Record<string, Json>;
    'x-webhooks'?: unknown;
}

const methods = ['get', 'post', 'put', 'patch', 'delete'];
const repo = '/repos/{owner}/{repo}';

/** The paths the App calls; the rest of the description would only make Prism slow. */
export const used_paths = [
    '/app',
    '/app/installations',
    '/app/installations/{installation_id}',
    '/app/installations/{installation_id}/access_tokens',
    '/app/hook/config',
    '/app/hook/deliveries',
    '/app/hook/deliveries/{delivery_id}',
    '/app/hook/deliveries/{delivery_id}/attempts',
    '/app-manifests/{code}/conversions',
    '/installation/repositories',
    '/installation/token',
    '/rate_limit',
    '/user',
    '/user/installations',
    '/meta',
    repo,
    `${repo}/installation`,
    `${repo}/pulls`,
    `${repo}/pulls/{pull_number}`,
    `${repo}/pulls/{pull_number}/files`,
    `${repo}/pulls/{pull_number}/reviews`,
    `${repo}/pulls/{pull_number}/reviews/{review_id}/dismissals`,
    `${repo}/commits/{commit_sha}/pulls`,
    `${repo}/commits/{ref}`,
    `${repo}/commits/{ref}/check-runs`,
    `${repo}/commits/{ref}/check-suites`,
    `${repo}/commits/{ref}/status`,
    `${repo}/contents/{path}`,
    `${repo}/branches`,
    `${repo}/branches/{branch}`,
    `${repo}/git/ref/{ref}`,
    `${repo}/compare/{basehead}`,
    `${repo}/actions/workflows/{workflow_id}`,
    `${repo}/actions/workflows/{workflow_id}/dispatches`,
    `${repo}/actions/workflows/{workflow_id}/runs`,
    `${repo}/actions/runs`,
    `${repo}/actions/runs/{run_id}`,
    `${repo}/actions/runs/{run_id}/jobs`,
    `${repo}/actions/runs/{run_id}/cancel`,
    `${repo}/actions/runs/{run_id}/rerun`,
    `${repo}/actions/runs/{run_id}/rerun-failed-jobs`,
    `${repo}/actions/runs/{run_id}/pending_deployments`,
    `${repo}/check-runs`,
    `${repo}/check-runs/{check_run_id}`,
    `${repo}/issues/{issue_number}`,
    `${repo}/actions/runs/{run_id}/force-cancel`,
    `${repo}/issues/{issue_number}/comments`,
    `${repo}/issues/comments/{comment_id}`,
    `${repo}/issues/comments/{comment_id}/reactions`,
    `${repo}/collaborators/{username}/permission`,
    `${repo}/statuses/{sha}`,
    `${repo}/environments`,
    `${repo}/releases/{release_id}`,
];

/** Answers GitHub gives everywhere but documents almost nowhere. */
const undocumented = ['301', '401', '403', '404', '409', '422', '429'];

function load(): Description {
    const path = createRequire(import.meta.url)
        .resolve('@octokit/openapi')
        .replace(/index\.js$/, '');
    return JSON.parse(readFileSync(`${path}generated/api.github.com.json`, 'utf8')) as Description;
}

/**
 * GitHub's description with our patches, and the list of them. The list is short on purpose: it is all
 * that stands between the simulator and GitHub's own words.
 */
export function derive(): { description: Description; patches: string[] } {
    const description = load();
    const patches: string[] = [];
    const paths: Description['paths'] = {};
    for (const path of used_paths) {
        const item = description.paths[path];
        if (!item) throw new Error(`GitHub does not describe ${path}`);
        paths[path] = item;
    }
    description.paths = paths;
    createdFilter(description, patches);
    installationAccount(description, patches);
    for (const [path, item] of Object.entries(paths)) {
        for (const method of methods) {
            const operation = item[method];
            if (operation) errorAnswers(`${method} ${path}`, operation, patches);
        }
    }
    prune(description);
    return { description, patches };
}

/** Leaves out components that no used path reaches, and examples: only their weight is gone. */
function prune(description: Description): void {
    delete description['x-webhooks'];
    delete description.components['examples'];
    const reached = new Set<string>();
    const walk = (value: unknown): void => {
        if (Array.isArray(value)) return value.forEach(walk);
        if (typeof value !== 'object' || value === null) return;
        const node = value as Json;
        delete node['examples'];
        const ref = node['$ref'];
        if (typeof ref === 'string' && !reached.has(ref)) {
            reached.add(ref);
            const [, , kind = '', name = ''] = ref.split('/');
            walk(description.components[kind]?.[name]);
        }
        Object.values(node).forEach(walk);
    };
    walk(description.paths);
    for (const [kind, all] of Object.entries(description.components)) {
        for (const name of Object.keys(all))
            if (!reached.has(`#/components/${kind}/${name}`)) delete all[name];
    }
}

/** It is typed as a date, but the documented search syntax has `>=` and ranges. */
function createdFilter(description: Description, patches: string[]): void {
    const created = description.components['parameters']?.['created'] as { schema: Json };
    delete created.schema['format'];
    patches.push('components.parameters.created: format date-time removed');
}

/** The list spells `account` as user AND enterprise; the single installation says user OR enterprise. */
function installationAccount(description: Description, patches: string[]): void {
    const answer = description.paths['/app/installations']?.['get']?.responses['200'] as {
        content: Record<string, { schema: { items: { properties: { account: Json } } } }>;
    };
    const account = answer.content['application/json']?.schema.items.properties.account;
    if (!account?.['allOf'])
        throw new Error('GitHub mended the account of /app/installations: drop this patch');
    account['anyOf'] = account['allOf'];
    delete account['allOf'];
    patches.push('get /app/installations: account allOf became anyOf');
}

function errorAnswers(name: string, operation: Operation, patches: string[]): void {
    for (const code of undocumented) {
        if (operation.responses[code]) continue;
        operation.responses[code] = {
            description: 'an error',
            content: {
                'application/json': {
                    schema: {
                        type: 'object',
                        required: ['message'],
                        properties: {
                            message: { type: 'string' },
                            documentation_url: { type: 'string' },
                        },
                    },
                },
            },
        };
        patches.push(`${name}: answer ${code} added`);
    }
}

export function deriveTo(file: string): string[] {
    const { description, patches } = derive();
    writeFileSync(file, JSON.stringify(description));
    return patches;
}
