// The time on the wall, in any time zone that the runtime knows.

const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const zones = new Map<string, Intl.DateTimeFormat>();

/** The weekday, 0 for Sunday, and the minute of the day; undefined for a zone that is not known here. */
export function wallClock(zone: string, time: number): [day: number, minute: number] | undefined {
  let format = zones.get(zone);
  if (!format) {
    try {
      format = new Intl.DateTimeFormat("en-US", { timeZone: zone, hourCycle: "h23", weekday: "short", hour: "2-digit", minute: "2-digit" });
    } catch {
      return undefined;
    }
    zones.set(zone, format);
  }
  let day = 0;
  let minute = 0;
  for (const part of format.formatToParts(time)) {
    if (part.type === "weekday") day = days.indexOf(part.value.toLowerCase());
    if (part.type === "hour") minute += 60 * Number(part.value);
    if (part.type === "minute") minute += Number(part.value);
  }
  return [day, minute];
}
