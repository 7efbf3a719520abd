/*
 * Parameters of an action as a form, judged as the server will judge them (docs/actions.md).
 */

export interface Parameter {
    name: string;
    type?: 'string' | 'number' | 'boolean';
    required?: boolean;
    default?: string | number | boolean;
    enum?: readonly (string | number | boolean)[];
    description?: string;
}
export type ParameterValue = string | number | boolean;

/** What the form begins with. */
export function firstParameters(parameters: readonly Parameter[]): Record<string, string> {
    const out: Record<string, string> = {};
    for (const p of parameters) {
        const first = p.default ?? ((p.type ?? 'string') === 'boolean' ? false : '');
        out[p.name] = String(first);
    }
    return out;
}

/** The values to send, and what is wrong with those that cannot be sent. An empty text of what need not be given is left out. */
export function readParameters(
    parameters: readonly Parameter[],
    typed: Readonly<Record<string, string>>,
): { values: Record<string, ParameterValue>; wrong: Record<string, string> } {
    const values: Record<string, ParameterValue> = {};
    const wrong: Record<string, string> = {};
    for (const p of parameters) {
        const text = typed[p.name] ?? '';
        if (text === '') {
            if (p.required && p.default === undefined) wrong[p.name] = 'This one is needed.';
            continue;
        }
        const value = readOne(p, text);
        if (value === undefined) wrong[p.name] = 'Type a number.';
        else if (p.enum && !p.enum.includes(value)) wrong[p.name] = 'Choose one of the list.';
        else values[p.name] = value;
    }
    return { values, wrong };
}

function readOne(p: Parameter, text: string): ParameterValue | undefined {
    switch (p.type ?? 'string') {
        case 'boolean':
            return text === 'true';
        case 'number': {
            const value = Number(text);
            return text.trim() === '' || !Number.isFinite(value) ? undefined : value;
        }
        case 'string':
            return text;
    }
}
