/* A figure beside its anchor: what we reached, what it is compared with, what it should be. */
export interface Figure {
    what: string;
    ours: string;
    beside?: string;
    ratio?: string;
    target?: string;
    /** undefined: printed for information */
    reached?: boolean;
}

export const rate = (perSecond: number): string => `${Math.round(perSecond).toLocaleString('en')}/s`;
export const ms = (value: number): string => (value < 10 ? `${value.toFixed(2)} ms` : `${Math.round(value)} ms`);
export const mb = (value: number): string => `${value.toFixed(1)} MB`;
export const times = (value: number): string => `${value.toFixed(2)}x`;

export function show(title: string, figures: Figure[]): void {
    const rows = figures.map((f) => [f.what, f.ours, f.beside ?? '', f.ratio ?? '', f.target ?? '', f.reached === undefined ? '' : f.reached ? 'yes' : 'NO']);
    const head = ['figure', 'here', 'anchor', 'ratio', 'target', 'reached'];
    const widths = head.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i]!.length)));
    const line = (row: string[]) => row.map((cell, i) => cell.padEnd(widths[i]!)).join('  ').trimEnd();
    console.log(`\n${title}\n${line(head)}\n${widths.map((w) => '-'.repeat(w)).join('  ')}\n${rows.map(line).join('\n')}`);
}
