/* docs/openapi.yaml as a judge: which operation a request is, and whether an answer is one that the description allows. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { parse } from 'yaml';

interface Response {
    $ref?: string;
    content?: Record<string, unknown>;
    headers?: Record<string, { required?: boolean }>;
}
interface Operation {
    operationId: string;
    responses: Record<string, Response>;
    'x-needs': 'nothing' | 'session' | 'read' | 'operate' | 'admin';
    requestBody?: unknown;
}
interface Description {
    paths: Record<string, Record<string, Operation>>;
    components: { responses: Record<string, Response> };
}
export interface Known {
    id: string;
    method: string;
    path: string;
    needs: Operation['x-needs'];
    hasBody: boolean;
    pattern: RegExp;
    responses: Record<string, Response>;
}
export interface Answer {
    status: number;
    headers: Record<string, string | string[] | undefined>;
    text: string;
}

const description = parse(
    readFileSync(join(import.meta.dirname, '../../docs/openapi.yaml'), 'utf8'),
) as Description;
const ajv = new Ajv2020({ strict: false, allErrors: true, validateSchema: false });
formats.default(ajv);
ajv.addSchema(description, 'openapi');

/** What HTTP itself may answer to any operation. */
const of_http = new Set([400, 408, 413, 415, 431]);

function patternOf(path: string): RegExp {
    const parts = path
        .split('/')
        .map((part) =>
            part.startsWith('{') ? '[^/]+' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'),
        );
    // A component may have slashes, and old CLIs did not escape them.
    if (path.endsWith('/{component}')) parts[parts.length - 1] = '.+';
    return new RegExp(`^${parts.join('/')}$`);
}

export const operations: readonly Known[] = Object.entries(description.paths).flatMap(
    ([path, methods]) =>
        Object.entries(methods).map(([method, operation]) => ({
            id: operation.operationId,
            method: method.toUpperCase(),
            path,
            needs: operation['x-needs'],
            hasBody: operation.requestBody !== undefined,
            pattern: patternOf(path),
            responses: operation.responses,
        })),
);

export function operationOf(method: string, target: string): Known | undefined {
    const path = target.split('?')[0]!;
    return operations.find((one) => one.method === method && one.pattern.test(path));
}

function pointer(...parts: string[]): string {
    return parts
        .map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')))
        .join('/');
}

function validator(at: string): ValidateFunction {
    const found = ajv.getSchema(`openapi#/${at}`);
    if (!found) throw new Error(`the description has no ${at}`);
    return found as ValidateFunction;
}

function mediaOf(answer: Answer): string {
    return String(answer.headers['content-type'] ?? '')
        .split(';')[0]!
        .trim();
}

function wrongBody(at: string, media: string, text: string): string[] {
    if (media !== 'application/json') return [];
    let value: unknown;
    try {
        value = JSON.parse(text);
    } catch (error) {
        return [`the body is no JSON: ${(error as Error).message}`];
    }
    const check = validator(at);
    if (check(value)) return [];
    return (check.errors ?? []).map(
        (error) => `${error.instancePath || '/'} ${error.message} ${JSON.stringify(error.params)}`,
    );
}

function envelopeWrong(answer: Answer): string[] {
    if (mediaOf(answer) !== 'application/json') return [];
    const body = JSON.parse(answer.text) as { status: number; success: boolean; traceId: string };
    const wrong: string[] = [];
    if (body.status !== answer.status)
        wrong.push(`the envelope says ${body.status}, HTTP says ${answer.status}`);
    if (body.success !== answer.status < 400)
        wrong.push(`success is ${body.success} with status ${answer.status}`);
    if (body.traceId === '') wrong.push('traceId is empty');
    return wrong;
}

function ofHttp(answer: Answer): string[] {
    if (mediaOf(answer) !== 'application/json')
        return [`media type ${mediaOf(answer)} of an error that is not JSON`];
    return [
        ...wrongBody('components/schemas/Error', 'application/json', answer.text),
        ...envelopeWrong(answer),
    ];
}

/** What is wrong with an answer, in sentences; empty when nothing is. */
export function wrongIn(method: string, target: string, answer: Answer): string[] {
    if (method === 'HEAD') return [];
    const known = operationOf(method, target);
    if (!known) {
        return answer.status < 400
            ? [`${answer.status} from a path that the description lacks`]
            : ofHttp(answer);
    }
    const response = known.responses[String(answer.status)];
    if (!response) {
        return of_http.has(answer.status)
            ? ofHttp(answer)
            : [`${known.id} may not answer ${answer.status}: ${answer.text.slice(0, 300)}`];
    }
    const name = response.$ref?.split('/').at(-1);
    const real = name === undefined ? response : description.components.responses[name]!;
    const base =
        name === undefined
            ? pointer(
                  'paths',
                  known.path,
                  known.method.toLowerCase(),
                  'responses',
                  String(answer.status),
              )
            : pointer('components', 'responses', name);
    const media = mediaOf(answer);
    if (real.content && !(media in real.content))
        return [`media type "${media}", described: ${Object.keys(real.content).join(', ')}`];
    const missing = Object.entries(real.headers ?? {}).filter(
        ([header, one]) => one.required && answer.headers[header.toLowerCase()] === undefined,
    );
    const body = real.content
        ? wrongBody(`${base}/${pointer('content', media, 'schema')}`, media, answer.text)
        : [];
    return [
        ...missing.map(([header]) => `the header ${header} is missing`),
        ...body,
        ...(body.length === 0 ? envelopeWrong(answer) : []),
    ];
}
