/* The sample repository of the demo: 8 components in 3 stacks, 4 levels deep, and the affected set that the CLI would upload for it. */
import { workflow } from '../e2e/graph.ts';
import type { Files } from '../forge-sim/git.ts';

export interface Instance {
    component: string;
    stack: string;
}
interface Affected extends Instance {
    component_type: '';
    component_path: '';
    stack_slug: '';
    settings: object;
    dependents: Affected[];
    included_in_dependents: boolean;
}

export const stacks = ['plat-use1-dev', 'plat-use1-staging', 'plat-use1-prod'];

/** Component → what it stands on, in the same stack. */
export const standsOn: Record<string, string[]> = {
    'network/vpc': [],
    'network/dns': [],
    'eks/cluster': ['network/vpc'],
    'data/postgres': ['network/vpc'],
    'eks/karpenter': ['eks/cluster'],
    'eks/ingress': ['eks/cluster', 'network/dns'],
    'apps/api': ['eks/ingress', 'data/postgres'],
    'apps/web': ['eks/ingress'],
};
export const components = Object.keys(standsOn);
export const instances: Instance[] = stacks.flatMap((stack) => components.map((component) => ({ component, stack })));

const stageOf = (stack: string) => stack.split('-')[2] ?? stack;

function settingsOf({ component, stack }: Instance): object {
    const inputs = { component, stack, github_environment: `plat-${stageOf(stack)}` };
    const plan = { workflows: { 'atmos-terraform-plan.yaml': { inputs } } };
    const apply = { workflows: { 'atmos-terraform-apply.yaml': { inputs } } };
    return { pro: { enabled: true, pull_request: { opened: plan, synchronize: plan, reopened: plan, merged: apply } } };
}

function below(component: string): Set<string> {
    const next = components.filter((name) => standsOn[name]!.includes(component));
    return new Set(next.flatMap((name) => [name, ...below(name)]));
}

function affectedOf(component: string, stack: string, siblings: string[]): Affected {
    const next = components.filter((name) => standsOn[name]!.includes(component));
    return {
        component,
        stack,
        component_type: '',
        component_path: '',
        stack_slug: '',
        settings: settingsOf({ component, stack }),
        dependents: next.map((name) => affectedOf(name, stack, next)),
        included_in_dependents: siblings.some((other) => other !== component && below(other).has(component)),
    };
}

/** The network of each stack was changed; everything else is affected because it stands on it. */
export function affectedSet(): Affected[] {
    const roots = components.filter((name) => standsOn[name]!.length === 0);
    return stacks.flatMap((stack) => roots.map((component) => affectedOf(component, stack, roots)));
}

const inputs = `      component: { type: string, required: true }
      stack: { type: string, required: true }
      sha: { type: string, required: true }
      github_environment: { type: string, required: true }
      atmos_pro_run_id: { type: string, required: false }
`;
const workflowOf = (verb: 'plan' | 'apply') => workflow(verb, { inputs, concurrency: '${{ inputs.stack }}-${{ inputs.component }}' });

function stackFile(stack: string): string {
    const lines = components.map((component) => {
        const needs = standsOn[component]!.map((name) => `        - component: ${name}\n`).join('');
        return `    ${component}:\n      vars: { stage: ${stageOf(stack)} }\n` + (needs && `      dependencies:\n        components:\n${needs}`);
    });
    return `components:\n  terraform:\n${lines.join('')}`;
}

export function sampleFiles(): Files {
    const files: Files = {
        'README.md': '# infra\n\nA sample for a demonstration.\n',
        'atmos.yaml': 'base_path: "."\nstacks: { base_path: stacks, included_paths: ["**/*"] }\n',
        '.github/workflows/atmos-terraform-plan.yaml': workflowOf('plan'),
        '.github/workflows/atmos-terraform-apply.yaml': workflowOf('apply'),
        '.github/workflows/atmos-affected.yaml': 'name: affected\non: { pull_request: { types: [opened, synchronize, reopened, closed] } }\njobs: {}\n',
    };
    for (const stack of stacks) files[`stacks/${stack}.yaml`] = stackFile(stack);
    return files;
}

export const changedFiles: Files = { 'components/terraform/network/main.tf': '# a second availability zone\n' };
