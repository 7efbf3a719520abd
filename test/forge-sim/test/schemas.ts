import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import ajvFormats from 'ajv-formats';
import type { Json } from '../util.ts';

const require = createRequire(import.meta.url);

type Operations = Record<string, { post: { requestBody: Json; parameters: Json[] } }>;

/** GitHub's own description of its webhooks: what a body of (event, action) has to look like. */
export class WebhookSchemas {
    private ajv: Ajv2020;
    private compiled: Map<string, ValidateFunction> = new Map();
    private operations: Operations;

    constructor() {
        const path = require
            .resolve('@octokit/openapi-webhooks')
            .replace(/index\.js$/, 'generated/api.github.com.json');
        const description = JSON.parse(readFileSync(path, 'utf8')) as {
            webhooks: Operations;
            components: Json;
        };
        this.operations = description.webhooks;
        this.ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: true });
        (ajvFormats as unknown as (ajv: Ajv2020) => void)(this.ajv);
        this.ajv.addSchema({ $id: 'gh', components: description.components });
    }

    /** The complaints about a body; empty when it is what GitHub would send. */
    complaints(event: string, body: Json): string[] {
        const action = typeof body['action'] === 'string' ? `-${body['action']}` : '';
        const name = `${event}${action}`.replaceAll('_', '-');
        const validate = this.validator(name);
        if (!validate) return [`no such webhook: ${name}`];
        if (validate(body)) return [];
        return (validate.errors ?? []).map(
            (error) => `${name} ${error.instancePath} ${error.message}`,
        );
    }

    /** Headers GitHub declares as required for this event, in lower case. */
    requiredHeaders(event: string): string[] {
        const key = Object.keys(this.operations).find((name) =>
            name.startsWith(event.replaceAll('_', '-')),
        );
        const parameters = this.operations[key ?? '']?.post.parameters ?? [];
        return parameters
            .filter((one) => one['in'] === 'header' && one['required'] === true)
            .map((one) => String(one['name']).toLowerCase());
    }

    private validator(name: string): ValidateFunction | undefined {
        const known = this.compiled.get(name);
        if (known) return known;
        if (!this.operations[name]) return undefined;
        const body = this.operations[name].post.requestBody as {
            content: Record<string, { schema: { $ref: string } }>;
        };
        const ref = body.content['application/json']?.schema.$ref ?? '';
        const made = this.ajv.compile({ $ref: `gh${ref}` });
        this.compiled.set(name, made);
        return made;
    }
}
