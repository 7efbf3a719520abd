/** "Firefox on Linux" is what somebody recognises; the whole word is on hover. */
export function browserOf(agent: string): string {
    const browser =
        first(agent, [
            [/\bEdg(?:e|A|iOS)?\//, 'Edge'],
            [/\bOPR\//, 'Opera'],
            [/\bFirefox\/|\bFxiOS\//, 'Firefox'],
            [/\bHeadlessChrome\//, 'Chrome'],
            [/\bChrome\/|\bCriOS\//, 'Chrome'],
            [/\bSafari\//, 'Safari'],
            [/^curl\//, 'curl'],
        ]) ?? 'A browser';
    const system = first(agent, [
        [/\bAndroid\b/, 'Android'],
        [/\biPhone\b|\biPad\b/, 'iOS'],
        [/\bWindows\b/, 'Windows'],
        [/\bMac OS X\b/, 'macOS'],
        [/\bCrOS\b/, 'ChromeOS'],
        [/\bLinux\b/, 'Linux'],
    ]);
    return system === undefined ? browser : `${browser} on ${system}`;
}

function first(agent: string, words: [RegExp, string][]): string | undefined {
    return words.find(([pattern]) => pattern.test(agent))?.[1];
}
