import { useMemo, type CSSProperties } from 'react';
import { readAnsi, type Segment } from '../logic/ansi.ts';

/** Output of a program, with its colours and nothing else of what it would do to a terminal. */
export function Output(props: { text: string; label: string }) {
    const output = useMemo(() => readAnsi(props.text), [props.text]);
    return (
        <pre className="ansi" tabIndex={0} aria-label={props.label} dir="ltr">
            {output.leftOut > 0 && (
                <div className="ansi-note">{output.leftOut} earlier lines are not shown.</div>
            )}
            {output.lines.map((line, i) => (
                <div key={i} className="ansi-line">
                    {line.length === 0
                        ? '\u00a0'
                        : line.map((segment, j) => (
                              <span key={j} style={styleOf(segment)}>
                                  {segment.text}
                              </span>
                          ))}
                </div>
            ))}
        </pre>
    );
}

function styleOf(segment: Segment): CSSProperties | undefined {
    const colour = (n: number | undefined, other: string) =>
        n === undefined ? other : `var(--ansi-${n})`;
    const { fg, bg, inverse } = segment;
    const style: CSSProperties = {};
    if (inverse) {
        style.color = colour(bg, 'var(--ansi-ground)');
        style.backgroundColor = colour(fg, 'var(--ansi-text)');
    } else {
        if (fg !== undefined) style.color = colour(fg, '');
        if (bg !== undefined) style.backgroundColor = colour(bg, '');
    }
    if (segment.bold) style.fontWeight = 600;
    if (segment.dim) style.opacity = 0.75;
    if (segment.italic) style.fontStyle = 'italic';
    if (segment.underline) style.textDecoration = 'underline';
    if (segment.strike) style.textDecoration = 'line-through';
    return style;
}
