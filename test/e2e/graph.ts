/* Small graphs of instances, and the affected set that the CLI would upload for them (atmos-pro.md §4.3, §9). */
import type { Files } from '../forge-sim/git.ts';

export interface Part {
    component: string;
    stack?: string;
    after?: string[];
    inputs?: Record<string, unknown>;
    /** Replaces settings.pro as a whole. */
    pro?: object | null;
}
export interface Affected {
    component: string;
    stack: string;
    component_type: '';
    component_path: '';
    stack_slug: '';
    settings: object | null;
    dependents: Affected[];
    included_in_dependents: boolean;
}

export const plan_file = 'plan.yaml';
export const apply_file = 'apply.yaml';
export const stack_default = 'acme-use1-prod';

/** A diamond with a tail and two that stand alone: network → {cluster, database} → app → smoke; dns; logs. */
export const diamond: Part[] = [
    { component: 'network' },
    { component: 'cluster', after: ['network'] },
    { component: 'database', after: ['network'] },
    { component: 'app', after: ['cluster', 'database'] },
    { component: 'smoke', after: ['app'] },
    { component: 'dns' },
    { component: 'logs' },
];

const stackOf = (part: Part) => part.stack ?? stack_default;

export function proOf(part: Part, files: { plan?: string; apply?: string } = {}): object {
    const inputs = { component: part.component, stack: stackOf(part), ...part.inputs };
    const plan = { workflows: { [files.plan ?? plan_file]: { inputs } } };
    const apply = { workflows: { [files.apply ?? apply_file]: { inputs } } };
    return {
        enabled: true,
        pull_request: { opened: plan, synchronize: plan, reopened: plan, merged: apply },
        release: { published: apply, released: apply },
    };
}

function settingsOf(part: Part): object | null {
    if (part.pro === null) return null;
    return { pro: part.pro ?? proOf(part) };
}

/** Nested as the CLI nests it: everything that stands on a part is written below it, in full depth. */
export function affected(parts: Part[]): Affected[] {
    const below = (part: Part) => parts.filter((one) => stackOf(one) === stackOf(part) && (one.after ?? []).includes(part.component));
    const entry = (part: Part): Affected => ({
        component: part.component,
        stack: stackOf(part),
        component_type: '',
        component_path: '',
        stack_slug: '',
        settings: settingsOf(part),
        dependents: below(part).map(entry),
        included_in_dependents: false,
    });
    return parts.filter((part) => (part.after ?? []).length === 0).map(entry);
}

export interface WorkflowOrder {
    /** Echo the run id in the run's name, so that a lost run can be found. */
    named?: boolean;
    inputs?: string;
    on?: string;
    concurrency?: string;
}

export function workflow(verb: string, order: WorkflowOrder = {}): string {
    const name = order.named === false ? '' : `run-name: ${verb} \${{ inputs.component }}/\${{ inputs.stack }}/\${{ inputs.atmos_pro_run_id }}\n`;
    const inputs =
        order.inputs ??
        `      component: { type: string, required: true }
      stack: { type: string, required: true }
      sha: { type: string, required: false }
      atmos_pro_run_id: { type: string, required: false }
`;
    const on = order.on ?? `  workflow_dispatch:\n    inputs:\n${inputs}`;
    const group = order.concurrency === undefined ? '' : `concurrency:\n  group: ${order.concurrency}\n`;
    const run = `atmos terraform ${verb} \${{ inputs.component }} -s \${{ inputs.stack }} --upload-status`;
    return `name: ${verb}\n${name}on:\n${on}${group}jobs:\n  ${verb}:\n    runs-on: ubuntu-latest\n    steps:\n      - run: ${run}\n`;
}

export function repositoryFiles(order: WorkflowOrder = {}): Files {
    return {
        'README.md': '# infra\n',
        [`.github/workflows/${plan_file}`]: workflow('plan', order),
        [`.github/workflows/${apply_file}`]: workflow('apply', order),
    };
}
