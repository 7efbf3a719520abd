import { parse } from 'yaml';
import { HttpError, isObject, type Json } from './util.ts';

export interface WorkflowInput {
    required: boolean;
    type: string;
    options: string[];
    default: string | undefined;
}
export interface WorkflowJob {
    id: string;
    name: string;
    environment: string | undefined;
    labels: string[];
}
export interface Workflow {
    path: string;
    name: string;
    runName: string | undefined;
    triggers: Set<string>;
    inputs: Map<string, WorkflowInput>;
    jobs: WorkflowJob[];
    group: string | undefined;
    cancelInProgress: boolean;
}

function triggersOf(on: unknown): { names: Set<string>; dispatch: unknown } {
    if (typeof on === 'string') return { names: new Set([on]), dispatch: undefined };
    if (Array.isArray(on)) return { names: new Set(on.map(String)), dispatch: undefined };
    if (isObject(on)) return { names: new Set(Object.keys(on)), dispatch: on['workflow_dispatch'] };
    return { names: new Set(), dispatch: undefined };
}

function inputOf(value: unknown): WorkflowInput {
    const input = isObject(value) ? value : {};
    const preset = input['default'];
    return {
        required: input['required'] === true,
        type: typeof input['type'] === 'string' ? input['type'] : 'string',
        options: Array.isArray(input['options']) ? input['options'].map(String) : [],
        default: preset === undefined || preset === null ? undefined : String(preset),
    };
}

function jobOf(id: string, value: unknown): WorkflowJob {
    const job = isObject(value) ? value : {};
    const environment = job['environment'];
    const named = isObject(environment) ? environment['name'] : environment;
    const labels = job['runs-on'];
    return {
        id,
        name: typeof job['name'] === 'string' ? job['name'] : id,
        environment: typeof named === 'string' ? named : undefined,
        labels: Array.isArray(labels) ? labels.map(String) : [String(labels ?? 'ubuntu-latest')],
    };
}

/** Reads the parts of a workflow file that GitHub acts upon when it is dispatched. */
export function workflowParse(path: string, text: string): Workflow {
    const root: unknown = parse(text);
    if (!isObject(root)) throw new Error(`${path} is not a workflow: the top is no mapping`);
    const triggers = triggersOf(root['on']);
    const declared = isObject(triggers.dispatch) ? triggers.dispatch['inputs'] : undefined;
    const inputs = new Map<string, WorkflowInput>();
    for (const [name, value] of Object.entries(isObject(declared) ? declared : {})) {
        inputs.set(name, inputOf(value));
    }
    const jobs = Object.entries(isObject(root['jobs']) ? root['jobs'] : {});
    const concurrency = root['concurrency'];
    const group = isObject(concurrency) ? concurrency['group'] : concurrency;
    return {
        path,
        inputs,
        name: typeof root['name'] === 'string' ? root['name'] : path,
        runName: typeof root['run-name'] === 'string' ? root['run-name'] : undefined,
        triggers: triggers.names,
        jobs: jobs.map(([id, value]) => jobOf(id, value)),
        group: typeof group === 'string' ? group : undefined,
        cancelInProgress: isObject(concurrency) && concurrency['cancel-in-progress'] === true,
    };
}

export const inputs_max = 25;
export const inputs_max_ghes = 10;

/** The full set of inputs a run gets, or GitHub's 422. */
export function inputsResolve(
    workflow: Workflow,
    given: Json,
    max: number,
): Record<string, string> {
    if (Object.keys(given).length > max) {
        throw new HttpError(
            422,
            `Invalid request.\n\nNo more than ${max} properties are allowed;` +
                ` ${Object.keys(given).length} were supplied.`,
        );
    }
    const unexpected = Object.keys(given).filter((name) => !workflow.inputs.has(name));
    if (unexpected.length > 0) {
        throw new HttpError(422, `Unexpected inputs provided: ${JSON.stringify(unexpected)}`);
    }
    const resolved: Record<string, string> = {};
    for (const [name, input] of workflow.inputs) {
        const value =
            given[name] === undefined || given[name] === null ? undefined : String(given[name]);
        if (
            (value === undefined || value === '') &&
            input.required &&
            input.default === undefined
        ) {
            throw new HttpError(422, `Required input '${name}' not provided`);
        }
        const used = value ?? input.default ?? (input.type === 'boolean' ? 'false' : '');
        checkValue(name, input, used, value !== undefined);
        resolved[name] = used;
    }
    return resolved;
}

function checkValue(name: string, input: WorkflowInput, value: string, isGiven: boolean): void {
    if (!isGiven) return;
    if (input.type === 'choice' && !input.options.includes(value)) {
        throw new HttpError(
            422,
            `Provided value '${value}' for input '${name}' not in the list of allowed values`,
        );
    }
    if (input.type === 'boolean' && value !== 'true' && value !== 'false') {
        throw new HttpError(422, `Provided value '${value}' for input '${name}' is not a boolean`);
    }
    if (input.type === 'number' && !Number.isFinite(Number(value))) {
        throw new HttpError(422, `Provided value '${value}' for input '${name}' is not a number`);
    }
}

export interface Expressions {
    inputs: Record<string, string>;
    github: Json;
}

function lookup(path: string, at: Expressions): string {
    const normal = path.replace(/^github\.event\.inputs\./, 'inputs.');
    if (normal.startsWith('inputs.')) return at.inputs[normal.slice(7)] ?? '';
    let value: unknown = normal.startsWith('github.') ? at.github : undefined;
    for (const step of normal.split('.').slice(1))
        value = isObject(value) ? value[step] : undefined;
    return value === undefined || value === null ? '' : String(value);
}

function term(text: string, at: Expressions): string {
    const trimmed = text.trim();
    const quoted = /^'((?:[^']|'')*)'$/.exec(trimmed);
    if (quoted) return (quoted[1] ?? '').replaceAll("''", "'");
    const format = /^format\((.*)\)$/s.exec(trimmed);
    if (format) {
        const args = splitOutside(format[1] ?? '', ',').map((part) => expression(part, at));
        return (args[0] ?? '').replace(
            /\{(\d+)\}/g,
            (_, index: string) => args[Number(index) + 1] ?? '',
        );
    }
    return /^[\w.-]+$/.test(trimmed) ? lookup(trimmed, at) : '';
}

function splitOutside(text: string, mark: string): string[] {
    const parts: string[] = [];
    let from = 0;
    let quoted = false;
    let depth = 0;
    for (let index = 0; index < text.length; index++) {
        const char = text[index];
        if (char === "'") quoted = !quoted;
        else if (!quoted && char === '(') depth++;
        else if (!quoted && char === ')') depth--;
        else if (!quoted && depth === 0 && text.startsWith(mark, index)) {
            parts.push(text.slice(from, index));
            from = index + mark.length;
        }
    }
    parts.push(text.slice(from));
    return parts;
}

function expression(text: string, at: Expressions): string {
    for (const part of splitOutside(text, '||')) {
        const value = splitOutside(part, '&&').map((one) => term(one, at));
        const last = value[value.length - 1] ?? '';
        if (value.every((one) => one !== '' && one !== 'false')) return last;
    }
    return '';
}

/** `${{ … }}` with inputs.x, github.x, 'text', format(), && and ||: what run-name files use. */
export function render(text: string, at: Expressions): string {
    return text.replace(/\$\{\{(.*?)\}\}/gs, (_, inner: string) => expression(inner, at));
}
