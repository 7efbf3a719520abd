import { Fragment } from 'react';
import { piecesOf, plainName, shortened } from '../logic/names.ts';

/** A name that somebody else chose. It cannot be markup (React), turn the text beside it, or hide a part of itself. */
export function Name(props: { children: string; max?: number; isMono?: boolean }) {
    const whole = props.children;
    const shown = shortened(whole, props.max ?? 120);
    const isCut = shown !== whole;
    return (
        <bdi
            className={props.isMono ? 'mono' : undefined}
            title={isCut ? plainName(whole) : undefined}
        >
            {piecesOf(shown).map((piece, i) => (
                <Fragment key={i}>
                    {piece.isOdd ? <span className="odd">{piece.text}</span> : piece.text}
                </Fragment>
            ))}
        </bdi>
    );
}

/** The first seven letters, the whole on hover. */
export function Sha(props: { children: string }) {
    return (
        <span className="mono" title={props.children}>
            {props.children.slice(0, 7)}
        </span>
    );
}
